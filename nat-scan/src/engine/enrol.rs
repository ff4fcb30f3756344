//! Before anything is tested: users sign in as the document says, or sign up where none were given.

mod writer;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use writer::Writer;
pub(super) use writer::passwords;

use super::budget::Purpose;
use super::contain::contain;
use super::identities::Identities;
use super::line::Line;
use super::narrate::Narrator;
use super::outcome::Account;
use super::plan::{Harm, harm};
use super::prepare::failure;
use super::probe::nonce;
use super::scope::Scope;
use super::{ScanConfig, ScanFailure};
use crate::check::As;
use crate::check::functional::grants_credentials;
use crate::generate::{self, Phase};
use crate::identity::infer::{self, Entry, Form};
use crate::identity::{
    Call, Credentials, Endpoint, LoginSource, Person, Placement, Remake, Session, SignUp, Take, offers, perform,
    register, try_on,
};
use crate::spec::{Api, Operation};
use crate::transport::fetch::PolicyFetcher;
use crate::transport::{Request, Response};

/// Operations that are asked without credentials, to see which of them want some.
const MAX_LOOKS: usize = 12;
/// Operations that refuse, and are asked again with a token in different places.
const MAX_CANARIES: usize = 2;
/// Places that are tried.
const MAX_PLACES: usize = 6;

/// What signing in needs.
pub(super) struct Enrol<'a> {
    pub(super) config: &'a ScanConfig,
    pub(super) line: &'a Line,
    /// Base URL of the target.
    pub(super) target: &'a Url,
    pub(super) fetcher: &'a Arc<PolicyFetcher>,
    pub(super) api: &'a Arc<Api>,
    pub(super) base_path: &'a str,
}

/// A request that wants credentials, and what it was answered without.
struct Canary {
    request: Request,
    status: u16,
}

/// A login that worked.
struct Entered {
    source: LoginSource,
    placement: Placement,
}

impl Enrol<'_> {
    /// Completes what the credentials alone could not say.
    ///
    /// # Errors
    /// `AUTH_FAILED` when credentials that were given are of no use.
    pub(super) async fn all(&self, identities: &mut Identities, narrator: &mut Narrator) -> Result<(), ScanFailure> {
        let users = [
            (As::Primary, Some(&self.config.credentials)),
            (As::Second, self.config.second_credentials.as_ref()),
            (As::Admin, self.config.admin_credentials.as_ref()),
        ];
        let given: Vec<(As, &Credentials)> = users
            .into_iter()
            .flat_map(|(who, all)| all.map(flat).unwrap_or_default().into_iter().map(move |one| (who, one)))
            .collect();
        let unfinished = |one: &Credentials| match one {
            Credentials::User { .. } | Credentials::SignUp(_) => true,
            Credentials::OAuth2(grant) => grant.token_url.is_none(),
            Credentials::Login(login) => matches!(login.endpoint, Endpoint::Path(_)),
            _ => false,
        };
        if !given.iter().any(|(_, one)| unfinished(one)) {
            return Ok(());
        }
        let canaries =
            match given.iter().any(|(_, one)| matches!(one, Credentials::User { .. } | Credentials::SignUp(_))) {
                true => self.look().await,
                false => Vec::new(),
            };
        for (who, one) in given.into_iter().filter(|(_, one)| unfinished(one)) {
            let completed = match one {
                Credentials::SignUp(sign_up) => {
                    self.sign_up(who, sign_up, &canaries, identities, narrator).await;
                    continue;
                }
                Credentials::User { username, password } => {
                    identities.people.set(who, Person::known(username, password.clone()));
                    self.user(username, password, &canaries, narrator).await
                }
                _ => self.described(one),
            };
            let session = completed.map_err(|why| {
                failure("AUTH_FAILED", format!("The scan could not sign in: {}.", why.trim_end_matches('.')))
            })?;
            join(identities, who, session);
        }
        let signed_in = identities.sign_in().await;
        signed_in.map_err(|error| failure("AUTH_FAILED", format!("The scan could not sign in: {error}.")))
    }

    /// Logins and grants that lack only the target or the token endpoint.
    fn described(&self, credentials: &Credentials) -> Result<Session, String> {
        let mut credentials = credentials.clone();
        match &mut credentials {
            Credentials::OAuth2(grant) => {
                let declared = infer::token_url(self.api).and_then(|url| self.base().join(url).ok());
                grant.token_url = Some(declared.ok_or("the document declares no token endpoint; say which one it is")?);
            }
            Credentials::Login(login) => {
                if let Endpoint::Path(path) = &login.endpoint {
                    let url = self.target.join(path).map_err(|error| format!("the login at {path}: {error}"))?;
                    login.endpoint = Endpoint::Url(url);
                }
            }
            _ => {}
        }
        Ok(Session::new(credentials, Arc::clone(self.fetcher)))
    }

    /// With slash, so that relative URLs go below it.
    fn base(&self) -> Url {
        let mut base = self.target.clone();
        base.set_path(&format!("{}/", self.base_path));
        base
    }

    /// A user of whom only name and password are known.
    async fn user(
        &self,
        username: &str,
        password: &SecretString,
        canaries: &[Canary],
        narrator: &mut Narrator,
    ) -> Result<Session, String> {
        let entry = Entry { user: username, email: username, password: password.expose_secret() };
        let mut why = None;
        for form in infer::logins(self.api, self.config.seed) {
            let Some(call) = self.writer().call(&form, &form.login(&entry)) else { continue };
            match self.enter(&call, vec![password.clone()], canaries).await {
                Ok(Entered { source, placement }) => {
                    narrator.notice(format!("Signed in as {username} by {call}; the token goes into {placement}."));
                    let mut session = Session::anonymous();
                    session.add(source, placement);
                    return Ok(session);
                }
                Err(refused) => why = why.or(Some(refused)),
            }
        }
        if let Some(why) = why {
            return Err(why);
        }
        let user = |name: &str| (name.to_owned(), password.clone());
        if infer::token_url(self.api).is_some() {
            let (username, password) = user(username);
            narrator.notice(format!("Signed in as {username} by the token endpoint that the document declares."));
            return self.described(&Credentials::OAuth2(Box::new(crate::identity::OAuth2 {
                token_url: None,
                client_id: String::new(),
                client_secret: None,
                username: Some(username),
                password: Some(password),
                scope: None,
                refresh_token: None,
            })));
        }
        if infer::is_basic(self.api) {
            let (username, password) = user(username);
            narrator.notice(format!("{username} is sent by HTTP Basic, as the document says."));
            return Ok(Session::new(Credentials::Basic { username, password }, Arc::clone(self.fetcher)));
        }
        Err("the document names no operation that signs in with a name and a password".to_owned())
    }

    /// Two users of our own, if they are needed and can be had; what goes wrong is told and the scan goes on.
    async fn sign_up(
        &self,
        who: As,
        how: &SignUp,
        canaries: &[Canary],
        identities: &mut Identities,
        narrator: &mut Narrator,
    ) {
        let needed = how.always || !canaries.is_empty() || infer::wants_credentials(self.api);
        if !needed {
            return;
        }
        if self.config.safe_mode {
            narrator.notice("Operations want credentials. None were given, and in safe mode nobody is signed up.");
            return;
        }
        let scope = Scope::new(self.api, self.base_path, &self.config.exclude, false);
        let seed = self.config.seed;
        let registration =
            infer::registrations(self.api, seed).into_iter().find(|form| scope.left_out(form.operation).is_none());
        let (Some(registration), Some(login)) = (registration, infer::logins(self.api, seed).into_iter().next()) else {
            narrator.notice(
                "Operations want credentials. None were given, and the document names no operations that sign up and in.",
            );
            return;
        };
        let whose = if who == As::Primary { vec![As::Primary, As::Second] } else { vec![who] };
        for who in whose {
            if who == As::Second
                && self.config.second_credentials.as_ref().is_some_and(|given| !matches!(given, Credentials::SignUp(_)))
            {
                continue;
            }
            match self.make(who, how, (&registration, &login), canaries, identities).await {
                Ok((session, told)) => {
                    narrator.notice(told);
                    join(identities, who, session);
                }
                Err(why) => {
                    narrator.notice(format!(
                        "The scan could not sign up a user of its own: {}.",
                        why.trim_end_matches('.')
                    ));
                    return;
                }
            }
        }
    }

    /// Makes one user and signs in.
    async fn make(
        &self,
        who: As,
        how: &SignUp,
        (registration, login): (&Form, &Form),
        canaries: &[Canary],
        identities: &Identities,
    ) -> Result<(Session, String), String> {
        let whose = if who == As::Second { "second" } else { "first" };
        let password = |rest: &str| -> String {
            let digest = Sha256::digest(format!("{}|{}|{whose}|{rest}", how.key.expose_secret(), self.config.scan_id));
            hex::encode(digest)
        };
        let writer = self.writer();
        let (scan_id, seed) = (self.config.scan_id.clone(), self.config.seed);
        let passwords = passwords(&password("password"));
        let secrets: Vec<SecretString> = passwords.to_vec();
        let (registration, login) = (registration.clone(), login.clone());
        let endpoint = self.api.operations.get(registration.operation).map(Operation::endpoint).unwrap_or_default();
        let remake: Remake = Arc::new(move |number| {
            let word = nonce(seed, &format!("{scan_id} {whose} user"), u64::from(number));
            writer.enrolment(&registration, &login, &word, &passwords)
        });
        let enrolment = remake(0).ok_or("no request that signs up could be written")?;
        register(self.fetcher, &enrolment).await.map_err(|error| error.0)?;
        let (accounts, people) = (identities.accounts.clone(), identities.people.clone());
        let made = Arc::new(move |person: &Person| {
            let username = person.username().to_owned();
            accounts.add(Account { username, made_by: endpoint.clone(), identity: who });
            people.set(who, person.clone());
        });
        made(&enrolment.person);
        let Entered { source, placement } = self
            .enter(&enrolment.login, secrets, canaries)
            .await
            .map_err(|why| format!("{} was signed up, and then {why}", enrolment.person.username()))?;
        let by = enrolment.register.first().map(Call::to_string).unwrap_or_default();
        let told = format!(
            "Signed up as {} by {by}, signed in by {}; the token goes into {placement}.",
            enrolment.person.username(),
            enrolment.login
        );
        let mut session = Session::anonymous();
        session.add(source.remade_by(remake, made), placement);
        Ok((session, told))
    }

    /// Signs in, and finds out where the token goes.
    async fn enter(&self, call: &Call, secrets: Vec<SecretString>, canaries: &[Canary]) -> Result<Entered, String> {
        let response = perform(self.fetcher, call).await.map_err(|error| error.0)?;
        if !(200..400).contains(&response.status) {
            return Err(format!("{call} answered {}", response.status));
        }
        let places = infer::placements(self.api, &offers(&response));
        let Some((take, placement)) = self.accepted_place(&response, places, canaries).await else {
            return Err(format!("{call} answered {} without a token", response.status));
        };
        let source = LoginSource::new(Arc::clone(self.fetcher), call.clone(), take, secrets).primed(&response);
        Ok(Entered { source, placement })
    }

    /// The first place where the target takes the token; the likeliest when that cannot be seen.
    async fn accepted_place(
        &self,
        response: &Response,
        places: Vec<(Take, Placement)>,
        canaries: &[Canary],
    ) -> Option<(Take, Placement)> {
        let mut known = None;
        if places.len() > 1 {
            for (take, placement) in places.iter().take(MAX_PLACES) {
                for canary in canaries.iter().take(MAX_CANARIES) {
                    let mut request = canary.request.clone();
                    if !try_on(response, take, placement, &mut request) {
                        continue;
                    }
                    let status = self.line.send(&request, false, Purpose::Probe).await?.result.ok()?.status;
                    match status {
                        401 => {}
                        // Known, and not allowed to.
                        403 if canary.status == 401 => {
                            known = known.or_else(|| Some((take.clone(), placement.clone())))
                        }
                        403 => {}
                        _ => return Some((take.clone(), placement.clone())),
                    }
                }
            }
        }
        known.or_else(|| places.into_iter().next())
    }

    /// Asks harmless operations without credentials: which of them want some?
    async fn look(&self) -> Vec<Canary> {
        let scope = Scope::new(self.api, self.base_path, &self.config.exclude, true);
        let mut operations: Vec<&Operation> = self
            .api
            .operations
            .iter()
            .filter(|one| one.method == "GET" && !one.path.contains('{') && scope.left_out(one.index).is_none())
            .filter(|one| harm(one) == Harm::None && !grants_credentials(one))
            .collect();
        operations.sort_by_key(|operation| operation.security.is_empty());
        let mut canaries = Vec::new();
        for operation in operations.into_iter().take(MAX_LOOKS) {
            let cases = contain(|| generate::cases(self.api, operation, Phase::HappyPath, self.config.seed));
            let Some(case) = cases.unwrap_or_default().into_iter().next() else { continue };
            let Some(Ok(request)) = contain(|| generate::render(operation, &case, self.base_path)) else { continue };
            let Some(answer) = self.line.send(&request, false, Purpose::Probe).await else { break };
            if let Ok(Response { status: status @ (401 | 403), .. }) = answer.result {
                canaries.push(Canary { request, status });
                if canaries.len() == MAX_CANARIES {
                    break;
                }
            }
        }
        canaries
    }

    fn writer(&self) -> Writer {
        Writer { api: Arc::clone(self.api), base_path: self.base_path.to_owned(), target: self.target.clone() }
    }
}

/// Every single one.
fn flat(credentials: &Credentials) -> Vec<&Credentials> {
    match credentials {
        Credentials::All(all) => all.iter().flat_map(flat).collect(),
        one => vec![one],
    }
}

fn join(identities: &mut Identities, who: As, session: Session) {
    let further = match who {
        As::Second => &mut identities.second,
        As::Admin => &mut identities.admin,
        _ => return identities.primary.join(session),
    };
    match further {
        Some(known) => known.join(session),
        None => *further = Some(session),
    }
}
