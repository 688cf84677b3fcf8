//! What becomes of a token before policies are asked (J3).

use serde_json::Value;

use super::claims::Claims;
use super::request::{HeaderValue, Request, Signature, Token};
use super::truth::Truth;
use crate::model::request_authentication::{JwtRule, RequestAuthentication};

/// What `RequestAuthentication` makes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It goes on, with claims or without.
    On {
        /// The claims that policies see.
        claims: Option<Claims>,
        /// What is left of the header.
        authorization: HeaderValue<'static>,
    },
    /// It is refused.
    Refused {
        /// With this status.
        status: u16,
        /// And these response code details.
        details: &'static str,
    },
    /// That is not known, since the token is not.
    Unknown,
}

const BEARER: HeaderValue<'static> = HeaderValue::Begins("Bearer ");

/// Whether a request is a CORS preflight, whose token nobody looks at.
fn is_preflight(request: &Request) -> Truth {
    let is_there =
        |name: &str| request.headers.get(name).map_or(Truth::Unknown, |lines| (!lines.is_empty()).into());
    let is_options = request.method.as_deref().map_or(Truth::Unknown, |method| (method == "OPTIONS").into());
    Truth::all([is_options, is_there("origin"), is_there("access-control-request-method")])
}

/// What the policies about tokens that are for a workload make of a request.
pub fn take(policies: &[&RequestAuthentication], request: &Request) -> Taken {
    // What looks for its token elsewhere does not look at the header.
    let rules: Vec<&JwtRule> =
        policies.iter().flat_map(|policy| &policy.rules).filter(|rule| !rule.is_elsewhere).collect();
    let without = |authorization| Taken::On { claims: None, authorization };
    let nothing = HeaderValue::Lines(Vec::new());
    match &request.token {
        Token::None => without(nothing),
        Token::Unknown if policies.is_empty() => without(HeaderValue::Unknown),
        Token::Unknown if is_preflight(request) == Truth::Yes => without(HeaderValue::Unknown),
        Token::Unknown => Taken::Unknown,
        Token::Validated(payload) => {
            let of_issuer: Vec<_> = rules.iter().copied().filter(|rule| is_issuer(rule, payload)).collect();
            Taken::On { claims: Some(claims(payload, &of_issuer)), authorization: left(&of_issuer, nothing) }
        }
        Token::Sent { .. } if rules.is_empty() => without(BEARER),
        Token::Sent { claims: payload, signature } => match is_preflight(request) {
            Truth::Yes => without(BEARER),
            Truth::Unknown => Taken::Unknown,
            Truth::No => checked(&rules, payload, *signature),
        },
    }
}

fn checked(rules: &[&JwtRule], payload: &Value, signature: Signature) -> Taken {
    let of_issuer: Vec<&JwtRule> = rules.iter().copied().filter(|rule| is_issuer(rule, payload)).collect();
    if of_issuer.is_empty() {
        return Taken::Refused {
            status: 401,
            details: "jwt_authn_access_denied{Jwt_issuer_is_not_configured}",
        };
    }
    // Audiences are looked at before signatures, and the last rule that refuses says why.
    let last_takes = of_issuer.last().is_some_and(|rule| takes_audience(rule, payload));
    let taking: Vec<&JwtRule> = of_issuer.into_iter().filter(|rule| takes_audience(rule, payload)).collect();
    if taking.is_empty() || signature == Signature::Bad {
        return if last_takes {
            Taken::Refused { status: 401, details: "jwt_authn_access_denied{Jwt_verification_fails}" }
        } else {
            Taken::Refused {
                status: 403,
                details: "jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}",
            }
        };
    }
    let nothing = HeaderValue::Lines(Vec::new());
    Taken::On { claims: Some(claims(payload, &taking)), authorization: left(&taking, nothing) }
}

fn is_issuer(rule: &JwtRule, payload: &Value) -> bool {
    payload.get("iss").and_then(Value::as_str) == Some(&rule.issuer)
}

fn takes_audience(rule: &JwtRule, payload: &Value) -> bool {
    let is_taken =
        |audience: &Value| audience.as_str().is_some_and(|text| rule.audiences.iter().any(|one| one == text));
    rule.audiences.is_empty()
        || match payload.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_taken),
            Some(one) => is_taken(one),
            None => false,
        }
}

fn claims(payload: &Value, rules: &[&JwtRule]) -> Claims {
    let space_delimited = rules.iter().flat_map(|rule| rule.space_delimited_claims.iter().cloned()).collect();
    Claims { payload: payload.clone(), space_delimited }
}

fn left(rules: &[&JwtRule], nothing: HeaderValue<'static>) -> HeaderValue<'static> {
    if rules.iter().any(|rule| rule.forwards_token) { BEARER } else { nothing }
}
