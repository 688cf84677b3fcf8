//! The formats that lines of a source can have, and which of them a line has.

use super::compile::LogFormat;
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::access_text::parse_text;

/// The formats that are known besides the default layouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formats {
    configured: Vec<LogFormat>,
    given: Option<LogFormat>,
}

impl Formats {
    /// Formats of the mesh configuration, which go before the default layouts, and one that somebody named, which is
    /// for what is left. A format that any text fits is left out: it would make lines of everything.
    pub fn new(configured: impl IntoIterator<Item = LogFormat>, given: Option<LogFormat>) -> Self {
        let mut formats = Self { configured: Vec::new(), given };
        for format in configured.into_iter().filter(LogFormat::tells_lines) {
            if !formats.configured.contains(&format) {
                formats.configured.push(format);
            }
        }
        formats
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.given.is_none()
    }

    /// Whether the mesh configuration has formats.
    #[inline]
    pub fn any_configured(&self) -> bool {
        !self.configured.is_empty()
    }

    /// Reads a line by the formats of the mesh configuration. `None` where none fits, and where two do and say
    /// different things: nothing tells then which of them the proxy has.
    pub fn read_configured<'a>(&self, line: &'a [u8]) -> Option<AccessLine<'a>> {
        let mut readings = self.configured.iter().filter_map(|format| format.read(line));
        let found = readings.next()?;
        if readings.any(|other| other != found) {
            return None;
        }
        // Many write the default layout out, or one that differs in nothing that this line has.
        let known = parse_text(line).filter(|known| AccessLine { format: Format::Custom, ..*known } == found);
        Some(known.unwrap_or(found))
    }

    /// Reads a line by the format that somebody named.
    pub fn read_given<'a>(&self, line: &'a [u8]) -> Option<AccessLine<'a>> {
        self.given.as_ref()?.read(line)
    }

    /// Whether a line is of one of these formats.
    pub fn take(&self, line: &[u8]) -> bool {
        self.read_configured(line).is_some() || self.read_given(line).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Strictness;

    fn formats(configured: &[&str], given: Option<&str>) -> Formats {
        let compile = |format: &str| LogFormat::compile(format, Strictness::Lenient).unwrap();
        Formats::new(configured.iter().map(|format| compile(format)), given.map(compile))
    }

    #[test]
    fn two_formats_that_say_different_things_say_nothing() {
        let two = formats(&["%BYTES_SENT% %RESPONSE_CODE%", "%BYTES_RECEIVED% %RESPONSE_CODE%"], None);
        assert_eq!(two.read_configured(b"5 200"), None);
        let same = formats(&["%BYTES_SENT% %RESPONSE_CODE%", "%BYTES_SENT% %RESPONSE_CODE%\n"], None);
        assert_eq!(same.read_configured(b"5 200").unwrap().bytes_sent, Some(5));
    }

    #[test]
    fn a_format_that_any_text_fits_is_none_of_the_mesh() {
        let any = formats(&["%REQ(A)% %UPSTREAM_HOST%"], None);
        assert!(!any.any_configured() && !any.take(b"starting up"));
        assert!(formats(&[], Some("%REQ(A)% %PROTOCOL%")).take(b"a HTTP/2"));
    }

    #[test]
    fn a_default_layout_that_is_written_out_keeps_its_name() {
        let default = concat!(
            "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
            "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% ",
            "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" ",
            "\"%UPSTREAM_HOST%\"\n"
        );
        let swapped = default.replace("%BYTES_RECEIVED% %BYTES_SENT%", "%BYTES_SENT% %BYTES_RECEIVED%");
        let line =
            br#"[2026-11-22T09:09:56.776Z] "GET /a HTTP/2" 200 - 3 5 1 - "-" "-" "-" "h" "10.0.0.1:80""#;
        let read = |format: &str| {
            formats(&[format], None).read_configured(line).map(|line| (line.format, line.bytes_sent))
        };
        assert_eq!(read(default), Some((Format::EnvoyDefault, Some(5))));
        assert_eq!(read(&swapped), Some((Format::Custom, Some(3))));
    }
}
