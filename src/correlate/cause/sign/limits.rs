//! What a limit, an authorizer, a timeout or an injected fault of the proxy itself did. Envoy has a flag for each of
//! these that it sets for nothing else.

use super::{Sign, Writer, sign};
use crate::correlate::cause::label::Label;

pub(super) const SIGNS: &[Sign] = &[
    sign(Writer::Any, "UO", Label::Overflow, "a circuit breaker was open"),
    sign(Writer::Any, "RL", Label::RateLimited, "a rate limit was reached"),
    // The authorizer could not be asked: the request was denied, and not for what it was.
    sign(Writer::Any, "UAEX", Label::ExtAuthzDenied, "the external authorizer could not be asked")
        .text(&["ext_authz_error"])
        .likely(&[]),
    sign(Writer::Any, "UAEX", Label::ExtAuthzDenied, "the external authorizer said no"),
    sign(Writer::Any, "FI", Label::FaultInjected, "a fault that a VirtualService asks for"),
    sign(Writer::Any, "DI", Label::FaultInjected, "a delay that a VirtualService asks for"),
    sign(Writer::Any, "UT", Label::Timeout, "no answer within the route's time"),
    sign(Writer::Any, "SI", Label::Timeout, "nothing moved for as long as the stream may be idle"),
    sign(Writer::Any, "UMSDR", Label::Timeout, "the stream reached its longest duration"),
    sign(Writer::Any, "DT", Label::Timeout, "the connection reached its longest duration"),
];
