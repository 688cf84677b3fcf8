//! The default layouts as format strings: many configurations write one out, and [`parse_text`] reads those faster.
//!
//! [`parse_text`]: crate::logs::parse_text

use super::compile::{LogFormat, Strictness};
use crate::logs::access_line::Format;

const HEAD: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% "
);
const CALLERS: &str = concat!(
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" ",
    "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\""
);
const TAIL: &str = concat!(
    " %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
);
const STATUS: &str =
    "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" ";

/// The default layout that a format is, if it is one.
pub(super) fn layout_of(format: &LogFormat) -> Option<Format> {
    let layouts = [
        (Format::EnvoyDefault, format!("{HEAD}{CALLERS}")),
        (Format::IstioText18, format!("{HEAD}\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" {CALLERS}{TAIL}")),
        (Format::IstioText19, format!("{HEAD}{STATUS}{CALLERS}{TAIL}")),
    ];
    let is = |text: &str| LogFormat::compile(text, Strictness::Strict).is_ok_and(|layout| layout == *format);
    layouts.into_iter().find(|(_, text)| is(text)).map(|(layout, _)| layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_known_as_written_and_no_other() {
        let layout = |text: &str| layout_of(&LogFormat::compile(text, Strictness::Lenient).unwrap());
        let istio = format!("{HEAD}{STATUS}{CALLERS}{TAIL}\n");
        assert_eq!(layout(&istio), Some(Format::IstioText19));
        assert_eq!(layout(&format!("{HEAD}{CALLERS}")), Some(Format::EnvoyDefault));
        assert_eq!(layout(&istio.replace("BYTES_SENT", "BYTES_RECEIVED")), None);
        assert_eq!(layout(&istio.replace("%ROUTE_NAME%", "%ROUTE_NAME% x")), None);
    }
}
