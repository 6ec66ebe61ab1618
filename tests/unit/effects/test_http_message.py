"""Signatures follow the Standard Webhooks specification."""

import pytest

from resumer_daemon.effects.http_message import Signer


def test_signature_of_the_standard_webhooks_example():
    headers = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330.9
    )
    assert headers == {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    "secrets",
    [
        "",
        "  ",
        "canary",
        "whsec_",
        "whsec_Y2FuYXJ5",
        "whsec_?canary",
        "whsec_ä",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ],
)
def test_invalid_signing_secret_is_refused_and_not_shown(secrets):
    with pytest.raises(ValueError, match="expected whsec_") as caught:
        Signer(secrets)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_both_secrets_sign_during_a_rotation():
    old, new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUJD" * 8
    alone = [Signer(each).headers("k", b"{}", 1.0)["Webhook-Signature"] for each in (new, old)]
    both = Signer(f"{new} {old}").headers("k", b"{}", 1.0)
    assert both["Webhook-Signature"] == " ".join(alone)
