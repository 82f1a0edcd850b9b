"""What each recorded answer means in the product's own words. A recording that is not judged here fails a test."""

from __future__ import annotations

from dataclasses import dataclass

ALL = ("every platform",)


@dataclass(frozen=True)
class Means:
    """What must follow from an answer.

    `retry`: "sent", "never", "later" (not before `least` seconds), "uncertain", or "held" (waits for the provider).
    `device`: "kept", "deactivated", "quarantined", or the address is "suppressed". `breaker`: "neutral", "failure",
    "success". `hold`: whose devices the provider is held for. `in_doubt`: a further attempt may be a duplicate.
    """

    retry: str
    device: str = "kept"
    breaker: str = "neutral"
    hold: tuple[str, ...] = ()
    least: float = 0.0
    in_doubt: bool = False


SENT = Means("sent", breaker="success", in_doubt=True)
NEVER = Means("never")
GONE = Means("never", "deactivated")
QUARANTINED = Means("never", "quarantined")
SUPPRESSED = Means("never", "suppressed")
HELD = Means("held", hold=ALL)
HELD_FOR_OTHERS = Means("held", hold=("ios", "web"))
UNCERTAIN = Means("uncertain", breaker="failure", in_doubt=True)
FAULT = Means("later", breaker="failure", in_doubt=True)
UNSENT_FAULT = Means("later", breaker="failure")


def slower(seconds: float = 1.0) -> Means:
    """The provider asks for a slower pace: certainly not sent, and no sign of ill health."""
    return Means("later", least=seconds)


#: By provider, and by what follows: the recorded answers.
ANSWERS: dict[str, dict[Means, list[str]]] = {
    "fcm": {
        SENT: ["accepted"],
        GONE: ["unregistered", "invalid_argument_token", "invalid_argument_token_field"],
        NEVER: ["invalid_argument_payload_too_large", "invalid_argument_ttl"],
        QUARANTINED: ["sender_id_mismatch"],
        HELD: ["permission_denied", "not_found_without_error_code", "unauthenticated"],
        slower(60): ["quota_exceeded", "quota_exceeded_device"],
        slower(7): ["quota_exceeded_retry_after"],
        Means("later", breaker="failure", least=12, in_doubt=True): ["unavailable"],
        FAULT: ["internal", "unspecified", "bad_gateway_html"],
        HELD_FOR_OTHERS: ["third_party_auth_error"],
        slower(1): ["access_token_expired"],
    },
    "apns": {
        SENT: ["accepted"],
        GONE: ["unregistered", "unregistered_without_timestamp", "expired_token"],
        QUARANTINED: ["bad_device_token"],
        NEVER: [
            "device_token_not_for_topic",
            "payload_too_large",
            "forbidden",
            "bad_collapse_id",
            "bad_expiration_date",
            "bad_message_id",
            "bad_path",
            "bad_priority",
            "duplicate_headers",
            "invalid_push_type",
            "missing_device_token",
            "payload_empty",
            "new_reason_400",
            "new_reason_410",
        ],
        HELD: [
            "invalid_provider_token",
            "too_many_provider_token_updates",
            "missing_provider_token",
            "bad_certificate",
            "bad_certificate_environment",
            "bad_environment_key_id_in_token",
            "bad_topic",
            "missing_topic",
            "topic_disallowed",
            "unrelated_key_id_in_token",
            "method_not_allowed",
            "not_found_html",
        ],
        slower(60): ["too_many_requests"],
        Means("later", breaker="failure", least=900, in_doubt=True): [
            "internal_server_error",
            "service_unavailable",
            "shutdown",
            "new_reason_500",
            "bad_gateway_html",
        ],
        FAULT: ["idle_timeout"],
        UNCERTAIN: ["captive_portal_html"],
    },
    "twilio": {
        SENT: ["accepted"],
        slower(): ["20429"],
        slower(5): ["20429_retry_after"],
        HELD: [
            "20003",
            "30002",
            "20404",
            "21212",
            "21603",
            "21659",
            "21660",
            "21661",
            "21701",
            "21704",
            "21705",
            "wrong_base_url_html",
        ],
        GONE: ["21211", "21614", "21635"],
        SUPPRESSED: ["21610"],
        NEVER: ["21408", "21606", "21617", "21703", "unknown_code"],
        UNCERTAIN: ["server_error", "server_error_html"],
    },
    "vonage": {
        SENT: ["accepted", "accepted_in_three_parts"],
        slower(): ["status_1"],
        slower(2): ["http_429"],
        slower(5): ["status_10"],
        HELD: [
            "status_4",
            "status_8",
            "status_9",
            "status_11",
            "status_14",
            "status_23",
            "status_32",
            "http_401",
            "wrong_base_url_html",
        ],
        GONE: ["status_33"],
        QUARANTINED: ["status_7"],
        NEVER: ["status_2", "status_3", "status_6", "status_12", "status_15", "status_22", "status_29"],
        FAULT: ["status_5", "some_parts_throttled"],
        UNCERTAIN: ["unheard_of_status", "no_parts", "accepted_without_id", "server_error_html"],
    },
    "postmark": {
        SENT: ["accepted", "accepted_but_delayed"],
        HELD: [
            "bad_token",
            "no_credits",
            "pending_approval",
            "sender_signature_not_confirmed",
            "sender_signature_not_found",
            "wrong_base_url_html",
        ],
        SUPPRESSED: ["inactive_recipient", "inactive_recipient_in_200"],
        GONE: ["invalid_to"],
        NEVER: ["invalid_metadata", "too_large"],
        slower(30): ["rate_limited"],
        FAULT: ["server_error", "unavailable_html"],
        UNSENT_FAULT: ["maintenance"],
    },
    "resend": {
        SENT: ["accepted"],
        HELD: [
            "missing_api_key",
            "restricted_api_key",
            "invalid_api_key",
            "domain_not_verified",
            "invalid_from_address",
            "not_found",
            "daily_quota_exceeded",
            "monthly_quota_exceeded",
        ],
        NEVER: ["validation_error", "missing_required_field", "invalid_idempotency_key", "security_error"],
        slower(): ["rate_limit_exceeded"],
        FAULT: ["application_error", "unavailable_html"],
        Means("later", least=5, in_doubt=True): ["concurrent_idempotent_requests"],
        Means("uncertain", in_doubt=True): ["invalid_idempotent_request"],
    },
    "smtp": {
        SENT: ["accepted"],
        SUPPRESSED: [
            "bad_syntax",
            "disabled",
            "moved",
            "no_such_domain",
            "no_such_mailbox",
            "no_such_mailbox_late",
            "null_mx",
        ],
        NEVER: [
            "access_denied",
            "content_refused",
            "full_for_good",
            "mailbox_unavailable",
            "never_heard_of",
            "not_allowed",
            "not_local",
            "parameter_unknown",
            "policy_550",
            "relay_denied",
            "spam",
            "too_large",
            "too_large_announced",
        ],
        HELD: [
            "connect_refused",
            "greeting_refused",
            "log_in_first",
            "no_service",
            "sender_domain",
            "sender_log_in_first",
            "sender_refused",
            "takes_no_mail",
        ],
        slower(3_600): ["daily_limit_data", "daily_limit_mail", "daily_limit_rcpt"],
        Means("later", least=300): ["full_for_now", "greylisted"],
        UNSENT_FAULT: [
            "local_error",
            "no_storage",
            "sender_later",
            "not_a_mail_server",
            "shutting_down_connect",
            "shutting_down_data",
            "shutting_down_rcpt",
        ],
    },
}


@dataclass(frozen=True)
class Reports:
    """What must follow from a callback: automatic retries, when the device goes, and the rest."""

    retries: int = 0
    device_after: int = 0
    suppress: str | None = None
    hold: bool = False
    alert_on_rate: bool = False
    counts: str = ""


SOFT = Reports(counts="several in a window")

#: By provider, and by what follows: the recorded callbacks of messages that did not arrive, or are not wanted.
CALLBACKS: dict[str, dict[Reports, list[str]]] = {
    "twilio": {
        Reports(retries=2): ["undelivered_30001", "undelivered_30008"],
        Reports(hold=True): ["undelivered_30002"],
        Reports(retries=1, device_after=3): ["undelivered_30003"],
        Reports(device_after=1): ["undelivered_30005", "undelivered_30006", "failed_30005"],
        Reports(alert_on_rate=True): ["undelivered_30007"],
        Reports(): ["undelivered_30004", "undelivered_39999"],
        Reports(suppress="stop"): ["inbound_stop", "inbound_stop_advanced"],
    },
    "vonage": {
        Reports(retries=2): ["err_1", "err_8", "err_99"],
        Reports(retries=1): ["err_7", "err_16"],
        Reports(retries=1, device_after=3): ["err_2"],
        Reports(device_after=1): ["err_3", "err_4"],
        Reports(alert_on_rate=True): ["err_6", "err_50", "err_51", "err_52", "err_53", "err_54"],
        Reports(suppress="stop"): ["err_9", "inbound_stop"],
        Reports(): ["err_5", "err_10", "err_11", "err_12", "err_13", "err_14", "err_15", "err_77"],
    },
    "postmark": {
        Reports(suppress="hard_bounce"): ["hard_bounce", "bad_address"],
        Reports(suppress="complaint"): ["spam_complaint"],
        Reports(suppress="unsubscribe"): ["unsubscribe"],
        Reports(): ["blocked"],
        SOFT: ["transient", "soft_bounce", "dns_error"],
    },
    "resend": {
        Reports(suppress="hard_bounce"): ["hard_bounce"],
        Reports(suppress="complaint"): ["complained"],
        Reports(): ["failed", "suppressed"],
        SOFT: ["soft_bounce", "delivery_delayed"],
    },
}
