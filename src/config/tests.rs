use super::*;

fn settings() -> Settings {
    Settings {
        database_url: "sqlite::memory:".into(),
        listen: "127.0.0.1:0".into(),
        mode: "self-hosted".into(),
        workers: "2".into(),
        log: "info".into(),
        log_format: "text".into(),
        ..Settings::default()
    }
}

#[test]
fn check_names_every_mistake_at_once_and_no_secret() {
    let wrong = Settings {
        database_url: "mysql://root:hunter2@h/db".into(),
        listen: "8080".into(),
        stripe_webhook_secret: Some("sk_live_hunter2".into()),
        seal_key: Some("hunter2".into()),
        mode: "cloud".into(),
        target_deny: Some("10.0.0.0/8, ten".into()),
        plans_file: Some("/nonexistent/plans.toml".into()),
        workers: "0".into(),
        log_format: "xml".into(),
        dashboard: "maybe".into(),
        graphiql: "1".into(),
        graphql_batch: "11".into(),
        origins: Some("https://app.example/path, https://ok.example".into()),
        ..settings()
    };
    let problems = wrong.check().err().expect("thirteen mistakes");
    let variables: Vec<&str> = problems.iter().map(|problem| &*problem.variable).collect();
    let expected = [
        "DATABASE_URL",
        "NAT_LISTEN",
        "NAT_PLANS_FILE",
        "NAT_MODE",
        "STRIPE_WEBHOOK_SECRET",
        "NAT_SEAL_KEY",
        "NAT_GRAPHQL_BATCH",
        "NAT_ORIGINS",
        "NAT_DASHBOARD",
        "NAT_GRAPHIQL",
        "NAT_TARGET_DENY",
        "NAT_WORKERS",
        "NAT_LOG_FORMAT",
    ];
    assert_eq!(variables, expected);
    assert!(!format!("{problems:?}").contains("hunter2"));
}

#[test]
fn check_short_sync_key_warns_and_is_not_used() {
    let config = Settings { app_sync_key: Some("short\n".into()), ..settings() }.check().unwrap_or_else(|_| panic!());
    assert!(config.billing.sync_key.is_none());
    assert_eq!(config.warnings.len(), 2, "white space and length: {:?}", config.warnings);
}

#[test]
fn b06_secret_with_a_newline_is_trimmed_and_warned_of() {
    let settings = Settings { stripe_webhook_secret: Some(" whsec_new,whsec_old\n".into()), ..settings() };
    let config = settings.check().unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(config.billing.webhook_secrets.len(), 2);
    assert!(config.warnings.iter().any(|warning| warning.variable == "STRIPE_WEBHOOK_SECRET"));
}

#[test]
fn b07_api_key_in_place_of_the_webhook_secret_is_refused_with_a_hint() {
    for wrong in ["sk_live_hunter2", "rk_test_hunter2", "hunter2", "whsec_good,sk_test_hunter2"] {
        let settings = Settings { stripe_webhook_secret: Some(wrong.into()), ..settings() };
        let problems = settings.check().err().expect("refused");
        assert_eq!(problems.len(), 1);
        let text = problems[0].to_string();
        assert!(text.contains("whsec_") && text.contains("not from API keys") && !text.contains("hunter2"), "{text}");
    }
    let swapped = Settings { stripe_secret_key: Some("whsec_hunter2".into()), ..settings() };
    let text = format!("{:?}", swapped.check().err());
    assert!(text.contains("STRIPE_SECRET_KEY") && !text.contains("hunter2"), "{text}");
}

#[test]
fn prices_come_from_flags_and_variables() {
    let with = |flags: &[&str], variables: &[(&str, &str)]| Settings {
        stripe_price_ids: flags.iter().map(|text| (*text).to_owned()).collect(),
        price_variables: variables.iter().map(|(plan, price)| ((*plan).to_owned(), (*price).to_owned())).collect(),
        ..settings()
    };
    let settings = with(&["pro=price_2"], &[("PRO", "price_1"), ("TEAM", "price_3, price_4")]);
    let book = settings.check().unwrap_or_else(|problems| panic!("{problems:?}")).billing.prices;
    assert_eq!(book.price_of(&"pro".into()), Some("price_2"), "a flag goes before a variable");
    for (price, plan) in [("price_1", "pro"), ("price_3", "team"), ("price_4", "team")] {
        assert_eq!(book.plan_of(price), Some(&plan.into()), "{price}");
    }
    for (flags, variables, says) in [
        (&["gold=price_1"][..], &[][..], "no plan 'gold'"),
        (&["pro"], &[], "price_"),
        (&["free=price_1"], &[], "not sold"),
        (&[], &[("GOLD", "price_1")], "no plan 'gold'"),
        (&[], &[("PRO", "prod_1")], "price_"),
        (&["pro=price_1", "team=price_1"], &[], "two plans"),
    ] {
        let text = format!("{:?}", with(flags, variables).check().err());
        assert!(text.contains(says), "{flags:?} {variables:?}: {text}");
    }
}

#[test]
fn grace_is_two_weeks_unless_told_otherwise() {
    let grace = |text: &str| {
        let config = Settings { billing_grace_days: text.into(), ..settings() }.check();
        config.map(|config| config.billing.grace.num_days()).ok()
    };
    assert_eq!(["", "0", "90", "7"].map(grace), [Some(14), Some(0), Some(90), Some(7)]);
    assert_eq!(["91", "-1", "x"].map(grace), [None; 3]);
}

#[test]
fn redirect_hosts_and_api_base_are_checked() {
    let hosts =
        |text: &str| Settings { redirect_hosts: Some(text.into()), ..settings() }.check().map(|c| c.billing.redirects);
    let wanted = RedirectPolicy::Hosts(vec!["app.example.com".into(), "localhost:3000".into()]);
    assert_eq!(hosts("App.example.com, localhost:3000").ok(), Some(wanted));
    for wrong in ["https://app.example.com", "app.example.com/x", "*.example.com", "a b"] {
        assert!(hosts(wrong).is_err(), "{wrong}");
    }
    let base =
        |text: &str| Settings { stripe_api_base: Some(text.into()), ..settings() }.check().map(|c| c.stripe_api_base);
    assert_eq!(base("http://127.0.0.1:1").ok().flatten().as_deref(), Some("http://127.0.0.1:1"));
    for wrong in ["127.0.0.1:1", "ftp://x", "http://x/v1"] {
        assert!(base(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn check_postgres_needs_a_seal_key() {
    let problems = Settings { database_url: "postgres://h/db".into(), ..settings() }.check().err().unwrap_or_default();
    assert_eq!(problems.iter().map(|p| &*p.variable).collect::<Vec<_>>(), ["NAT_SEAL_KEY"]);
}

#[test]
fn unknown_variables_are_those_that_are_misspelt() {
    let names = ["NAT_LISTN", "NAT_LISTEN", "PATH", "NAT_TOKEN", "NAT_TEST_POSTGRES"].map(str::to_owned);
    let found = unknown_variables(names);
    assert_eq!(found.iter().map(|p| &*p.variable).collect::<Vec<_>>(), ["NAT_LISTN"]);
}

#[test]
fn describe_shows_no_password() {
    assert_eq!(redact_password("postgres://u:p@w@h:5432/d"), "postgres://u:[redacted]@h:5432/d");
    assert_eq!(redact_password("postgres://u@h/d"), "postgres://u@h/d");
    assert_eq!(redact_password("sqlite://nat.db"), "sqlite://nat.db");
}
