"""The fake Stripe and Stripe's SDK for Python: python sdk.py URL_OF_THE_FAKE"""

import json
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

import stripe

URL = sys.argv[1]
SECRETS = ["whsec_old", "whsec_new"]
DAY = 24 * 3600
passed = failed = 0


def client(key):
    return stripe.StripeClient(key, base_addresses={"api": URL}, max_network_retries=0).v1


api = client("sk_test_fake")
found = {}


def check(name):
    """Runs the function at once; a line for each."""

    def run(body):
        global passed, failed
        try:
            body()
            passed += 1
            print(f"ok      {name}")
        except Exception:
            failed += 1
            print(f"FAILED  {name}: {traceback.format_exc()}")

    return run


def control(path, body=b"", method="POST", header=None):
    request = urllib.request.Request(f"{URL}/_fake/{path}", data=body if method == "POST" else None, method=method)
    request.add_header("Content-Type", "application/json")
    if header is not None:
        request.add_header("Stripe-Signature", header)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def verify(payload, header):
    return control("verify", payload.encode(), header=header)


def sign(payload):
    return control("sign", payload.encode())[1]


def header(payload, secret, timestamp=None):
    timestamp = int(time.time()) if timestamp is None else timestamp
    # The SDK's own function; older versions have no public one.
    signature = stripe.WebhookSignature._compute_signature(f"{timestamp}.{payload}", secret)
    return f"t={timestamp},v1={signature}"


def refused(error, body, **members):
    """`body` must raise `error` with these members."""
    try:
        body()
    except error as raised:
        for name, value in members.items():
            assert getattr(raised, name) == value, f"{name}: {getattr(raised, name)!r}"
        return raised
    raise AssertionError(f"no {error.__name__}")


# Umlauts and an emoji: signed are bytes, not characters.
PAYLOAD = json.dumps(
    {"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {"name": "Zoë ☕"}}},
    ensure_ascii=False,
)

# --- Signatures of the SDK, verified by us.


@check("we accept what the SDK signs, with either secret")
def _():
    for secret in SECRETS:
        assert verify(PAYLOAD, header(PAYLOAD, secret))[0] == 200


@check("we accept a header with a wrong and a right signature")
def _():
    wrong, right = header(PAYLOAD, "whsec_other"), header(PAYLOAD, SECRETS[1])
    both = f"{wrong},{right.split(',')[1]}" if wrong.split(",")[0] == right.split(",")[0] else right
    assert verify(PAYLOAD, both)[0] == 200


@check("we refuse another secret")
def _():
    status, text = verify(PAYLOAD, header(PAYLOAD, "whsec_other"))
    assert status == 400 and "No signature" in text, text


@check("we refuse a changed byte")
def _():
    assert verify(PAYLOAD.replace("evt_1", "evt_2"), header(PAYLOAD, SECRETS[0]))[0] == 400


@check("we refuse what has no signature")
def _():
    status, text = control("verify", PAYLOAD.encode())
    assert status == 400 and "missing" in text, text


@check("we refuse what is 301 s old, and accept what is 299 s old")
def _():
    status, text = verify(PAYLOAD, header(PAYLOAD, SECRETS[0], int(time.time()) - 301))
    assert status == 400 and "tolerance" in text, text
    assert verify(PAYLOAD, header(PAYLOAD, SECRETS[0], int(time.time()) - 299))[0] == 200


@check("a timestamp a day in the future: the SDK accepts it, we do not")
def _():
    # Stripe's libraries only ask how old a signature is. We look in both directions: what was signed ahead of time
    # would stay valid for that long, and a clock that is off by so much deserves an alarm.
    future = header(PAYLOAD, SECRETS[0], int(time.time()) + DAY)
    assert stripe.Webhook.construct_event(PAYLOAD, future, SECRETS[0]).id == "evt_1"
    assert verify(PAYLOAD, future)[0] == 400


# --- Our signatures, verified by the SDK.


@check("the SDK accepts what we sign during a roll, with either secret")
def _():
    for secret in SECRETS:
        assert stripe.Webhook.construct_event(PAYLOAD.encode(), sign(PAYLOAD), secret).id == "evt_1"


@check("the SDK refuses what we sign, with another secret or a changed byte")
def _():
    ours, error = sign(PAYLOAD), stripe.SignatureVerificationError
    refused(error, lambda: stripe.Webhook.construct_event(PAYLOAD, ours, "whsec_other"))
    refused(error, lambda: stripe.Webhook.construct_event(PAYLOAD + " ", ours, SECRETS[0]))


# --- The SDK as a client.


@check("customer with metadata")
def _():
    made = api.customers.create({"email": "ada@example.test", "metadata": {"tenant_id": "t 1&="}})
    found["customer"] = made.id
    read = api.customers.retrieve(made.id)
    assert read.id.startswith("cus_") and read.email == "ada@example.test"
    assert read.metadata.to_dict() == {"tenant_id": "t 1&="}


@check("product and price")
def _():
    product = api.products.create({"name": "Pro", "metadata": {"nat_plan": "pro"}})
    price = api.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount": 4900, "recurring": {"interval": "month"}}
    )
    found["price"] = price.id
    read = api.prices.retrieve(price.id, {"expand": ["product"]})
    assert read.recurring.interval == "month" and read.product.metadata["nat_plan"] == "pro"
    assert [row.id for row in api.prices.list({"product": product.id}).data] == [price.id]


@check("checkout session: open for 24 h, with a URL; paid it is complete, with a subscription")
def _():
    session = api.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": found["customer"],
            "line_items": [{"price": found["price"], "quantity": 1}],
            "success_url": "https://shop.example/",
            "subscription_data": {"metadata": {"tenant_id": "tenant"}},
        }
    )
    assert session.status == "open" and session.expires_at - session.created == DAY
    assert session.url.startswith("https://")
    assert control(f"pay?session={session.id}&card=good")[0] == 200
    paid = api.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "line_items"]})
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert paid.line_items.data[0].price.id == found["price"]
    assert paid.subscription.metadata["tenant_id"] == "tenant"
    found["subscription"] = paid.subscription.id
    assert control(f"pay?session={session.id}&card=good")[0] == 400, "paid once"


@check("subscription with its latest invoice")
def _():
    read = api.subscriptions.retrieve(found["subscription"], {"expand": ["latest_invoice.payments"]})
    assert read.status == "active" and read.latest_invoice.status == "paid"
    assert read.latest_invoice.parent.subscription_details.subscription == read.id
    item = read["items"].data[0]
    assert item.current_period_end - item.current_period_start >= 28 * DAY
    found["item"] = item.id
    found["payment"] = read.latest_invoice.payments.data[0].payment.payment_intent
    listed = api.invoices.list({"subscription": read.id})
    assert [row.id for row in listed.data] == [read.latest_invoice.id]


@check("update: cancel at the end of the period and back, another price")
def _():
    ends = api.subscriptions.update(found["subscription"], {"cancel_at_period_end": True})
    assert ends.cancel_at_period_end and ends.cancel_at == ends["items"].data[0].current_period_end
    stays = api.subscriptions.update(found["subscription"], {"cancel_at_period_end": False})
    assert not stays.cancel_at_period_end and stays.cancel_at is None
    swapped = api.subscriptions.update(
        found["subscription"], {"items": [{"id": found["item"], "price": "price_team"}]}
    )
    assert swapped["items"].data[0].price.id == "price_team"


@check("portal session")
def _():
    portal = api.billing_portal.sessions.create(
        {"customer": found["customer"], "return_url": "https://shop.example/"}
    )
    assert portal.url.startswith("https://") and portal.customer == found["customer"]


@check("refund by payment intent, once; cancel, once")
def _():
    refund = api.refunds.create({"payment_intent": found["payment"]})
    assert refund.status == "succeeded" and refund.amount == 4900
    error = stripe.InvalidRequestError
    refused(error, lambda: api.refunds.create({"payment_intent": found["payment"]}), code="charge_already_refunded")
    assert api.subscriptions.cancel(found["subscription"]).status == "canceled"
    refused(error, lambda: api.subscriptions.cancel(found["subscription"]), code="resource_missing", http_status=404)
    assert api.subscriptions.list({"customer": found["customer"]}).data == []
    every = api.subscriptions.list({"customer": found["customer"], "status": "all"})
    assert [row.id for row in every.data] == [found["subscription"]]


@check("auto-paging over more than a hundred customers, in both directions")
def _():
    made = [api.customers.create({"email": f"c{n}@example.test"}).id for n in range(120)]
    seen = [row.id for row in api.customers.list({"limit": 50}).auto_paging_iter()]
    assert seen[:120] == made[::-1] and len(set(seen)) == len(seen)
    oldest = seen[-1]
    back = [row.id for row in api.customers.list({"limit": 50, "ending_before": oldest}).auto_paging_iter()]
    assert back == seen[:-1][::-1], "the SDK turns pages around that are read backwards"


@check("events by type, newest first")
def _():
    kinds = ["customer.subscription.created", "customer.subscription.deleted"]
    assert [row.type for row in api.events.list({"types": kinds}).data] == kinds[::-1]
    updated = api.events.list({"type": "customer.subscription.updated"}).data
    assert updated and all(row.type == "customer.subscription.updated" for row in updated)
    one = api.events.retrieve(updated[0].id)
    assert one.data.object.id == found["subscription"]
    later = api.events.list({"type": kinds[0], "created": {"gt": int(time.time()) + DAY}}).data
    assert later == []


@check("every event is signed so that the SDK accepts it, with both secrets")
def _():
    rows = json.loads(control("events", method="GET")[1])["data"]
    assert len(rows) > 10
    for row in rows:
        for secret in SECRETS:
            event = stripe.Webhook.construct_event(row["payload"], row["signature"], secret)
            assert (event.id, event.type) == (row["id"], row["type"])


@check("idempotency: the same key makes one, other parameters are an error")
def _():
    key = {"idempotency_key": "tenant-1:customer"}
    first = api.customers.create({"email": "once@example.test"}, key)
    again = api.customers.create({"email": "once@example.test"}, key)
    assert first.id == again.id and again.last_response.headers["idempotent-replayed"] == "true"
    refused(stripe.IdempotencyError, lambda: api.customers.create({"email": "other@example.test"}, key))
    assert len(api.customers.list({"email": "once@example.test"}).data) == 1


@check("errors have the classes, codes and ids of Stripe")
def _():
    missing = refused(
        stripe.InvalidRequestError,
        lambda: api.customers.retrieve("cus_none"),
        code="resource_missing",
        param="id",
        http_status=404,
    )
    assert missing.request_id.startswith("req_")
    wrong = client("sk_test_wrong")
    refused(stripe.AuthenticationError, lambda: wrong.customers.list(), http_status=401)
    refused(stripe.InvalidRequestError, lambda: api.customers.list({"limit": 0}), http_status=400)


@check("a delayed payment that never arrives ends the subscription")
def _():
    session = api.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://shop.example/",
        }
    )
    control(f"pay?session={session.id}&card=delayed")
    unpaid = api.checkout.sessions.retrieve(session.id)
    assert (unpaid.status, unpaid.payment_status) == ("complete", "unpaid")
    assert control(f"settle?session={session.id}&arrived=false")[0] == 200
    assert api.subscriptions.retrieve(unpaid.subscription).status == "canceled"
    failures = api.events.list({"type": "checkout.session.async_payment_failed"}).data
    assert failures[0].data.object.id == session.id


print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
