//! The formats that lines of a source can have, and which of them a line has.

use super::compile::{LogFormat, Strictness};
use super::json::JsonFormat;
use super::layouts::layout_of;
use super::object::Node;
use super::parse::FormatError;
use crate::logs::access_line::{AccessLine, Format};
use crate::logs::access_text::parse_text;

/// A format of one's own: a format string, or a format object for lines in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnFormat {
    /// A format string.
    Text(LogFormat),
    /// A format object.
    Object(JsonFormat),
}

impl OwnFormat {
    /// Compiles the text that somebody typed: an object where it is one in JSON.
    ///
    /// # Errors
    ///
    /// Where Envoy would refuse the format, or no line can be told to be of it.
    pub fn compile(text: &str, strictness: Strictness) -> Result<Self, FormatError> {
        let is_object = serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok();
        if is_object {
            JsonFormat::compile(text, strictness).map(Self::Object)
        } else {
            LogFormat::compile(text, strictness).map(Self::Text)
        }
    }

    /// Whether a line of it can be told from any other text.
    pub fn tells_lines(&self) -> bool {
        match self {
            Self::Text(format) => format.tells_lines(),
            Self::Object(format) => format.tells_lines(),
        }
    }
}

/// What becomes of a line that formats are tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It was read.
    Line,
    /// Two formats fit it and say different things, so nothing tells which of them the proxy has.
    Differ,
    /// No format fits it.
    None,
}

/// A format of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Configured<T> {
    format: T,
    /// Something chooses it, so it goes before those that are only at hand.
    in_force: bool,
    /// The default layout that it is.
    layout: Option<Format>,
}

impl Configured<LogFormat> {
    /// Many write the default layout out: its own reader is the faster one.
    fn read<'a>(&self, line: &'a [u8]) -> Option<AccessLine<'a>> {
        let known = self.layout.and_then(|layout| parse_text(line).filter(|line| line.format == layout));
        known.or_else(|| self.format.read(line))
    }
}

/// The formats that are known besides the default layouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formats {
    texts: Vec<Configured<LogFormat>>,
    objects: Vec<Configured<JsonFormat>>,
    given: Option<OwnFormat>,
}

impl Formats {
    /// Formats of the configuration, each with whether something chooses it, which go before the default layouts, and
    /// one that somebody named, which is for what is left. A format that any text fits is left out: it would make
    /// lines of everything.
    pub fn new(configured: impl IntoIterator<Item = (OwnFormat, bool)>, given: Option<OwnFormat>) -> Self {
        let mut formats = Self { given, ..Self::default() };
        for (format, in_force) in configured.into_iter().filter(|(format, _)| format.tells_lines()) {
            match format {
                OwnFormat::Text(format) => {
                    let layout = layout_of(&format);
                    add(&mut formats.texts, Configured { format, in_force, layout });
                }
                OwnFormat::Object(format) => {
                    add(&mut formats.objects, Configured { format, in_force, layout: None });
                }
            }
        }
        formats
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.objects.is_empty() && self.given.is_none()
    }

    /// Whether the configuration has format strings.
    #[inline]
    pub fn any_configured(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Whether a line of Istio's layout since 1.9 is read as such: nothing is configured, or that layout written out.
    #[inline]
    pub(in crate::logs) fn leave_the_default(&self) -> bool {
        match self.texts.as_slice() {
            [] => true,
            [one] => one.layout == Some(Format::IstioText19),
            _ => false,
        }
    }

    /// Reads a line by the format strings of the configuration. `None` where none fits, and where two do and say
    /// different things: nothing tells then which of them the proxy has.
    pub fn read_configured<'a>(&self, line: &'a [u8]) -> Option<AccessLine<'a>> {
        match self.texts.as_slice() {
            [only] => only.read(line),
            _ => self.by_text(line).ok().flatten(),
        }
    }

    fn by_text<'a>(&self, line: &'a [u8]) -> Result<Option<AccessLine<'a>>, Differ> {
        for in_force in [true, false] {
            let of = self.texts.iter().filter(|known| known.in_force == in_force);
            let found = agreed(of.filter_map(|known| known.read(line)))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether a line fits some format string of the configuration, even if it cannot be told which.
    pub fn any_fits(&self, line: &[u8]) -> bool {
        self.texts.iter().any(|known| known.format.values(line).is_some())
    }

    /// Reads a line in JSON by the format objects.
    pub fn read_object(&self, text: &[u8], take: &mut dyn FnMut(&AccessLine<'_>)) -> Tried {
        let given = match &self.given {
            Some(OwnFormat::Object(format)) => Some(format),
            Some(OwnFormat::Text(_)) | None => None,
        };
        if self.objects.is_empty() && given.is_none() {
            return Tried::None;
        }
        let Some(object) = Node::parse(text) else { return Tried::None };
        let of = |in_force: bool| self.objects.iter().filter(move |known| known.in_force == in_force);
        let tiers =
            [of(true).map(|known| &known.format).collect(), of(false).map(|known| &known.format).collect()];
        for tier in tiers.into_iter().chain([Vec::from_iter(given)]) {
            match of_fewest_strange(&tier, &object) {
                Ok(Some(line)) => {
                    take(&line);
                    return Tried::Line;
                }
                Ok(None) => {}
                Err(Differ) => return Tried::Differ,
            }
        }
        Tried::None
    }

    /// The format string, where there is one format only, and whether it goes before the default layouts.
    pub(in crate::logs) fn only_text(&self) -> Option<(&LogFormat, bool)> {
        match (&self.given, &*self.texts, &*self.objects) {
            (Some(OwnFormat::Text(format)), [], []) => Some((format, false)),
            (None, [one], []) if one.layout.is_none() => Some((&one.format, true)),
            _ => None,
        }
    }

    /// Reads a line by the format string that somebody named.
    pub fn read_given<'a>(&self, line: &'a [u8]) -> Option<AccessLine<'a>> {
        match self.given.as_ref()? {
            OwnFormat::Text(format) => format.read(line),
            OwnFormat::Object(_) => None,
        }
    }
}

/// A format that stands at several places is chosen where one of them is.
fn add<T: PartialEq>(known: &mut Vec<Configured<T>>, new: Configured<T>) {
    match known.iter_mut().find(|known| known.format == new.format) {
        Some(known) => known.in_force |= new.in_force,
        None => known.push(new),
    }
}

/// Two readings say different things.
struct Differ;

/// The reading, where there is one and all others are the same.
fn agreed<'a>(readings: impl Iterator<Item = AccessLine<'a>>) -> Result<Option<AccessLine<'a>>, Differ> {
    let mut found: Option<AccessLine<'_>> = None;
    for line in readings {
        match &found {
            // What a layout is called makes no difference.
            Some(known) if *known != (AccessLine { format: known.format, ..line }) => return Err(Differ),
            Some(_) => {}
            None => found = Some(line),
        }
    }
    Ok(found)
}

/// The line by those formats that have most of its keys: another one may have some of them too.
fn of_fewest_strange<'n>(
    formats: &[&JsonFormat],
    object: &'n Node<'_>,
) -> Result<Option<AccessLine<'n>>, Differ> {
    let read: Vec<_> = formats.iter().filter_map(|format| format.read(object)).collect();
    let fewest = read.iter().map(|(_, strange)| *strange).min();
    agreed(read.into_iter().filter(|(_, strange)| Some(*strange) == fewest).map(|(line, _)| line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Strictness;

    fn formats(configured: &[&str], given: Option<&str>) -> Formats {
        let compile = |format: &str| OwnFormat::compile(format, Strictness::Lenient).unwrap();
        Formats::new(configured.iter().map(|format| (compile(format), true)), given.map(compile))
    }

    #[test]
    fn two_formats_that_say_different_things_say_nothing() {
        let two = formats(&["%BYTES_SENT% %RESPONSE_CODE%", "%BYTES_RECEIVED% %RESPONSE_CODE%"], None);
        assert_eq!(two.read_configured(b"5 200"), None);
        let same = formats(&["%BYTES_SENT% %RESPONSE_CODE%", "%BYTES_SENT% %RESPONSE_CODE%\n"], None);
        assert_eq!(same.read_configured(b"5 200").unwrap().bytes_sent, Some(5));
    }

    #[test]
    fn what_is_chosen_goes_before_what_is_only_at_hand() {
        let compile = |format: &str| OwnFormat::compile(format, Strictness::Lenient).unwrap();
        let (sent, received) =
            (compile("%BYTES_SENT% %RESPONSE_CODE%"), compile("%BYTES_RECEIVED% %RESPONSE_CODE%"));
        let two = Formats::new([(sent.clone(), false), (received, true), (sent, false)], None);
        let line = two.read_configured(b"5 200").unwrap();
        assert_eq!((line.bytes_received, line.bytes_sent), (Some(5), None));
    }

    /// The code and the bytes sent, `-` for none.
    fn objects(configured: &[&str], line: &str) -> (Tried, String) {
        let mut found = String::new();
        let tried = formats(configured, None).read_object(line.as_bytes(), &mut |line| {
            let sent = line.bytes_sent.map_or("-".to_owned(), |sent| sent.to_string());
            found = format!("{} {sent}", line.response_code.unwrap());
        });
        (tried, found)
    }

    #[test]
    fn of_two_objects_the_one_that_has_more_of_the_keys_has_the_line() {
        let (small, big) = (r#"{"c":"%RESPONSE_CODE%"}"#, r#"{"c":"%RESPONSE_CODE%","b":"%BYTES_SENT%"}"#);
        assert_eq!(objects(&[small, big], r#"{"c":200,"b":5}"#), (Tried::Line, "200 5".to_owned()));
        assert_eq!(objects(&[small], r#"{"c":200,"x":5}"#), (Tried::Line, "200 -".to_owned()));
        let other = r#"{"c":"%RESPONSE_CODE%","b":"%BYTES_RECEIVED%"}"#;
        assert_eq!(objects(&[other, big], r#"{"c":200,"b":5}"#), (Tried::Differ, String::new()));
    }

    #[test]
    fn keys_of_istio_s_own_log_are_not_what_a_collector_adds() {
        let small = r#"{"response_code":"%RESPONSE_CODE%"}"#;
        let line = r#"{"response_code":503,"response_flags":"UC"}"#;
        assert_eq!(objects(&[small], line), (Tried::None, String::new()));
        assert_eq!(objects(&[small], r#"{"response_code":503,"pod":"a"}"#).0, Tried::Line);
    }

    #[test]
    fn a_format_that_any_text_fits_is_none_of_the_mesh() {
        let any = formats(&["%REQ(A)% %UPSTREAM_HOST%"], None);
        assert!(!any.any_configured() && any.read_given(b"starting up").is_none());
        assert!(formats(&[], Some("%REQ(A)% %PROTOCOL%")).read_given(b"a HTTP/2").is_some());
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
