//! Who a scan is: credentials from arguments, the environment or a file.

use std::path::{Path, PathBuf};

use nat::core::entropy::{Entropy, SystemEntropy};
use nat::core::secret::SecretString;
use nat::scan::identity::{Credentials, OAuth2, SignUp, wfc};
use url::Url;

#[derive(clap::Args)]
#[command(next_help_heading = "Credentials")]
pub(in crate::cli) struct IdentityArgs {
    /// Header sent with every request, such as 'X-API-Key: secret'. May be repeated.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(String, SecretString)>,
    /// Bearer token.
    #[arg(long, value_name = "TOKEN", env = "NAT_TOKEN", hide_env_values = true, conflicts_with_all = ["basic", "oauth2_client", "user", "auth_file"])]
    bearer: Option<String>,
    /// User and password of HTTP Basic.
    #[arg(long, value_name = "USER:PASSWORD", conflicts_with_all = ["oauth2_client", "user", "auth_file"])]
    basic: Option<String>,
    /// User of the API. The scan finds out from the document how to sign in, and signs in again when it must.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["oauth2_client", "auth_file"])]
    user: Option<String>,
    /// Its password; better in the environment or in a file.
    #[arg(long, value_name = "PASSWORD", env = "NAT_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "password")]
    password_file: Option<PathBuf>,
    /// A second user, for checks of who may see what.
    #[arg(long, value_name = "NAME", requires = "user")]
    second_user: Option<String>,
    /// Its password.
    #[arg(long, value_name = "PASSWORD", env = "NAT_SECOND_PASSWORD", hide_env_values = true)]
    second_password: Option<String>,
    /// A user with more rights, for checks of what only such a user may do.
    #[arg(long, value_name = "NAME")]
    admin_user: Option<String>,
    /// Its password.
    #[arg(long, value_name = "PASSWORD", env = "NAT_ADMIN_PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,
    /// Users and how they sign in: an authentication file of the Web Fuzzing Commons, YAML or JSON. The first entry is
    /// who the scan is, the second another user, one whose name contains 'admin' a user with more rights.
    #[arg(long, value_name = "FILE", conflicts_with = "oauth2_client")]
    auth_file: Option<PathBuf>,
    /// Sign up users of the scan's own in any case. Without this it is done when no credentials are given and some
    /// operation wants them. The report names the users that were made.
    #[arg(long, conflicts_with = "no_sign_up")]
    sign_up: bool,
    /// Never sign up anybody.
    #[arg(long)]
    no_sign_up: bool,
    /// Token endpoint of OAuth2; absent: the one that the document declares.
    #[arg(long, value_name = "URL", requires = "oauth2_client")]
    oauth2_token_url: Option<Url>,
    /// Client id and secret of an OAuth2 client-credentials grant (password grant with --oauth2-user).
    #[arg(long, value_name = "ID[:SECRET]")]
    oauth2_client: Option<String>,
    /// User and password of the password grant.
    #[arg(long, value_name = "USER:PASSWORD", requires = "oauth2_client")]
    oauth2_user: Option<String>,
    /// Scope to ask for.
    #[arg(long, value_name = "SCOPE", requires = "oauth2_client")]
    oauth2_scope: Option<String>,
    /// Refresh token to begin with.
    #[arg(long, value_name = "TOKEN", env = "NAT_REFRESH_TOKEN", hide_env_values = true)]
    oauth2_refresh_token: Option<String>,
}

fn parse_header(text: &str) -> Result<(String, SecretString), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written 'Name: value'")?;
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)) {
        return Err(format!("'{name}' is no header name"));
    }
    Ok((name.to_owned(), value.trim().to_owned().into()))
}

/// Who takes part in a scan.
pub(super) struct Users {
    pub(super) first: Credentials,
    pub(super) second: Option<Credentials>,
    pub(super) admin: Option<Credentials>,
}

/// Who takes part; or what is wrong with the arguments.
pub(super) fn users(args: &IdentityArgs) -> Result<Users, String> {
    let mut all = single(args)?;
    let (mut second, mut admin) = (None, None);
    if let Some(path) = &args.auth_file {
        let named = |why: String| format!("{}: {why}", path.display());
        let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        let users = wfc::parse(&bytes).map_err(|error| named(error.to_string()))?;
        let is_admin = |user: &wfc::User| user.name.to_ascii_lowercase().contains("admin");
        // A file that names only administrators names who the scan is.
        let (admins, users): (Vec<_>, Vec<_>) = match users.iter().all(is_admin) {
            true => (Vec::new(), users),
            false => users.into_iter().partition(is_admin),
        };
        let mut users = users.into_iter();
        all.extend(users.next().map(|user| user.credentials));
        second = users.next().map(|user| user.credentials);
        admin = admins.into_iter().next().map(|user| user.credentials);
    }
    if let Some(username) = &args.second_user {
        let password =
            args.second_password.clone().ok_or("--second-user needs NAT_SECOND_PASSWORD or --second-password")?;
        second = Some(Credentials::User { username: username.clone(), password: password.into() });
    }
    if let Some(username) = &args.admin_user {
        let password =
            args.admin_password.clone().ok_or("--admin-user needs NAT_ADMIN_PASSWORD or --admin-password")?;
        admin = Some(Credentials::User { username: username.clone(), password: password.into() });
    }
    if args.sign_up || (all.is_empty() && !args.no_sign_up) {
        all.push(sign_up(args.sign_up));
    } else if second.is_none() && !args.no_sign_up {
        // Who may see what shows only with two: a security scan signs up the second one, where the document says how.
        second = Some(sign_up(true));
    }
    let first = if all.is_empty() { Credentials::None } else { Credentials::All(all) };
    Ok(Users { first, second, admin })
}

fn sign_up(always: bool) -> Credentials {
    let mut key = [0; 32];
    SystemEntropy.fill(&mut key);
    let key = key.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    Credentials::SignUp(SignUp { key, always })
}

/// What the arguments say, files aside.
fn single(args: &IdentityArgs) -> Result<Vec<Credentials>, String> {
    let pair = |text: &str| match text.split_once(':') {
        Some((name, secret)) => (name.to_owned(), Some(SecretString::from(secret.to_owned()))),
        None => (text.to_owned(), None),
    };
    let header =
        |(name, value): &(String, SecretString)| Credentials::Header { name: name.clone(), value: value.clone() };
    let mut all: Vec<Credentials> = args.header.iter().map(header).collect();
    if let Some(token) = &args.bearer {
        all.push(Credentials::Bearer(token.clone().into()));
    }
    if let Some(text) = &args.basic {
        let (username, password) = pair(text);
        all.push(Credentials::Basic { username, password: password.unwrap_or_default() });
    }
    if let Some(username) = &args.user {
        let password = match (&args.password, &args.password_file) {
            (_, Some(path)) => first_line(path)?,
            (Some(password), None) => password.clone(),
            (None, None) => return Err("--user needs NAT_PASSWORD, --password-file or --password".to_owned()),
        };
        all.push(Credentials::User { username: username.clone(), password: password.into() });
    }
    if let Some(client) = &args.oauth2_client {
        let (client_id, client_secret) = pair(client);
        let (username, password) = args.oauth2_user.as_deref().map(pair).map_or((None, None), |(u, p)| (Some(u), p));
        all.push(Credentials::OAuth2(Box::new(OAuth2 {
            token_url: args.oauth2_token_url.clone(),
            client_id,
            client_secret,
            username,
            password,
            scope: args.oauth2_scope.clone(),
            refresh_token: args.oauth2_refresh_token.clone().map(SecretString::from),
        })));
    }
    Ok(all)
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line = text.lines().next().filter(|line| !line.is_empty());
    line.map(str::to_owned).ok_or_else(|| format!("{}: its first line is empty", path.display()))
}
