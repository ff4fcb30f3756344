//! The fake Stripe as a program, for suites in other languages and for trying things out by hand.
//!
//! `cargo run -p nat-billing --features testing --example fake-stripe -- [OPTIONS]`
//!
//! * `--listen ADDR`: where, `127.0.0.1:0` by default.
//! * `--secret-key KEY`: what requests must show, `sk_test_fake` by default.
//! * `--webhook-secret SECRET`: what events are signed with; twice during a roll; `whsec_fake` by default.
//! * `--price ID=PRODUCT:CENTS[:INTERVAL]`: a price, any number of times.
//! * `--forward URL`: delivers each event there, signed, as it happens.
//! * `--shape pre-basil|basil`: the shape of answers and events.
//!
//! It prints the line `fake stripe listening on http://…` and runs until it is killed. The API is below `/v1`; the
//! customer at the checkout page, and the clock, are driven below `/_fake/` (see `nat_billing::testing`).

use std::{error::Error, io::Write as _, sync::Arc, time::Duration};

use nat_billing::testing::{Event, FakeOptions, FakeStripe, Price, Shape};
use nat_core::{secret::SecretString, time::SystemClock};

/// How often new events are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pause after the first failed delivery; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The last attempt comes after more than a day.
const ATTEMPTS: u32 = 18;

const DEFAULT_PRICES: [&str; 2] = ["price_pro=prod_pro:4900", "price_team=prod_team:19900"];

struct Arguments {
    options: FakeOptions,
    prices: Vec<Price>,
    forward: Option<String>,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = FakeOptions::new(Arc::new(SystemClock));
        let (mut secrets, mut prices, mut forward) = (Vec::new(), Vec::new(), None);
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--listen" => options.listen = value.parse().map_err(|_| format!("not an address: {value}"))?,
                "--secret-key" => options.secret_key = SecretString::from(value),
                "--webhook-secret" => secrets.push(SecretString::from(value)),
                "--price" => prices.push(price(&value)?),
                "--forward" => forward = Some(value),
                "--shape" => options.shape = shape(&value)?,
                _ => return Err(format!("unknown option: {name}")),
            }
        }
        if !secrets.is_empty() {
            options.webhook_secrets = secrets;
        }
        if prices.is_empty() {
            prices = DEFAULT_PRICES.into_iter().map(price).collect::<Result<_, _>>()?;
        }
        Ok(Self { options, prices, forward })
    }
}

/// `id=product:amount[:interval]`
fn price(text: &str) -> Result<Price, String> {
    let invalid = || format!("not a price (id=product:cents[:interval]): {text}");
    let (id, rest) = text.split_once('=').ok_or_else(invalid)?;
    let mut parts = rest.split(':');
    let product = parts.next().filter(|product| !product.is_empty()).ok_or_else(invalid)?;
    let amount = parts.next().and_then(|amount| amount.parse().ok()).ok_or_else(invalid)?;
    let mut price = Price::monthly(id, product, amount);
    if let Some(interval) = parts.next() {
        if !["month", "year", "week"].contains(&interval) {
            return Err(invalid());
        }
        price.interval = interval.to_owned();
    }
    Ok(price)
}

fn shape(text: &str) -> Result<Shape, String> {
    match text {
        "pre-basil" => Ok(Shape::PreBasil),
        "basil" => Ok(Shape::Basil),
        _ => Err(format!("a shape is pre-basil or basil, not {text}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let stripe = FakeStripe::start(arguments.options).await?;
    for price in arguments.prices {
        stripe.add_price(price);
    }
    let mut out = std::io::stdout();
    writeln!(out, "fake stripe listening on {}", stripe.url())?;
    out.flush()?;
    match arguments.forward {
        Some(url) => forward(&stripe, &url).await,
        None => std::future::pending().await,
    }
}

/// Sends each new event to `url`; one that fails does not hold up the others.
async fn forward(stripe: &FakeStripe, url: &str) -> ! {
    let mut sent = 0;
    loop {
        stripe.tick();
        for event in stripe.events().split_off(sent) {
            sent += 1;
            tokio::spawn(deliver(stripe.clone(), url.to_owned(), event));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn deliver(stripe: FakeStripe, url: String, event: Event) {
    let mut err = std::io::stderr();
    for attempt in 0..ATTEMPTS {
        let outcome = match stripe.post_to(&url, &event).await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        // Nobody may be reading; that is no reason to stop.
        let _ = writeln!(err, "{} {}: {outcome}", event.id, event.kind);
        if outcome.starts_with('2') && outcome.len() == 3 {
            return;
        }
        tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempt)).await;
    }
}
