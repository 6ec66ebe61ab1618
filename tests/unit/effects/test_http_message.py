"""Signatures as the Standard Webhooks specification has them."""

import pytest

from resumer_daemon.effects.http_message import Signer


def test_the_example_that_all_its_libraries_share():
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
def test_a_secret_of_another_form_is_refused_and_not_shown(secrets):
    with pytest.raises(ValueError, match="expected whsec_") as caught:
        Signer(secrets)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_while_secrets_are_exchanged_both_sign():
    old, new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUJD" * 8
    alone = [Signer(each).headers("k", b"{}", 1.0)["Webhook-Signature"] for each in (new, old)]
    both = Signer(f"{new} {old}").headers("k", b"{}", 1.0)
    assert both["Webhook-Signature"] == " ".join(alone)
