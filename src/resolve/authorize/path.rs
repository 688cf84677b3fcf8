//! What becomes of a path before policies see it (H6, H7).

use std::borrow::Cow;

/// `meshConfig.pathNormalization.normalization` (H6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// `NONE`.
    None,
    /// `BASE`, and `DEFAULT`.
    #[default]
    Base,
    /// `MERGE_SLASHES`.
    MergeSlashes,
    /// `DECODE_AND_MERGE_SLASHES`.
    DecodeAndMergeSlashes,
}

impl Normalization {
    /// The setting of a word; `None` where nobody knows it.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "NONE" => Some(Self::None),
            "BASE" | "DEFAULT" | "" => Some(Self::Base),
            "MERGE_SLASHES" => Some(Self::MergeSlashes),
            "DECODE_AND_MERGE_SLASHES" => Some(Self::DecodeAndMergeSlashes),
            _ => None,
        }
    }

    /// Whether Envoy answers 400 to a path by itself, before any policy is asked (H7).
    pub fn refuses(self, path: &str) -> bool {
        let is_broken = path.contains('#') || !path.is_ascii();
        is_broken || self != Self::None && path.split('?').next().is_some_and(|path| path.contains("%00"))
    }

    /// The path as policies see it, with its query, which is left as it is. A target in absolute form counts as its
    /// path.
    pub fn apply(self, target: &str) -> String {
        let path = without_origin(target);
        if self == Self::None {
            return path.to_owned();
        }
        let (path, query) = match path.find('?') {
            Some(at) => path.split_at(at),
            None => (path, ""),
        };
        let mut path = Cow::Borrowed(path);
        if self == Self::DecodeAndMergeSlashes {
            path = Cow::Owned(slashes_decoded(&path));
        }
        let mut path = dots_resolved(&canonical(&without_parameters(&path)));
        if matches!(self, Self::MergeSlashes | Self::DecodeAndMergeSlashes) {
            path = merged(&path);
        }
        path.push_str(query);
        path
    }
}

/// The part of a path that `paths` compare: without query and fragment (H2).
pub fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

fn without_origin(target: &str) -> &str {
    let rest = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"));
    match rest.map(|rest| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")) {
        Some(path) => path,
        None => target,
    }
}

/// Step 1.
fn slashes_decoded(path: &str) -> String {
    let mut decoded = path.to_owned();
    for (code, character) in [("%2F", "/"), ("%2f", "/"), ("%5C", "\\"), ("%5c", "\\")] {
        if decoded.contains(code) {
            decoded = decoded.replace(code, character);
        }
    }
    decoded
}

/// Step 2: parameters of dot segments, of those written as dots.
fn without_parameters(path: &str) -> String {
    let plain = |segment: &str| {
        let dots = if segment.starts_with("..;") {
            2
        } else if segment.starts_with(".;") {
            1
        } else {
            segment.len()
        };
        segment.get(..dots).unwrap_or(segment).to_owned()
    };
    path.split('/').map(plain).collect::<Vec<_>>().join("/")
}

/// Step 3: one spelling of each character.
fn canonical(path: &str) -> String {
    let mut canonical = String::with_capacity(path.len());
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let code = bytes.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(hex);
        match (byte, code) {
            (_, Some(code)) if code.is_ascii_alphanumeric() || b"-._~".contains(&code) => {
                canonical.push(char::from(code));
                at += 2;
            }
            (b'\\', _) => canonical.push('/'),
            (b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}', _) => {
                canonical.push('%');
                canonical.extend(hex_digits(byte));
            }
            // What is not ASCII is refused before (H7); here it is only kept whole.
            (_, _) if byte.is_ascii() => canonical.push(char::from(byte)),
            (_, _) => return path.to_owned(),
        }
        at += 1;
    }
    canonical
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

fn hex_digits(byte: u8) -> [char; 2] {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
    [digit(byte >> 4), digit(byte & 15)]
}

/// Step 4.
fn dots_resolved(path: &str) -> String {
    let Some(inner) = path.strip_prefix('/') else { return path.to_owned() };
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_with_dots = false;
    for segment in inner.split('/') {
        ends_with_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    if ends_with_dots {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// Step 5.
fn merged(path: &str) -> String {
    if path.len() > 1 && path.bytes().all(|byte| byte == b'/') {
        return "//".to_owned();
    }
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_does_what_it_says() {
        let all = |path: &str| {
            [
                Normalization::None,
                Normalization::Base,
                Normalization::MergeSlashes,
                Normalization::DecodeAndMergeSlashes,
            ]
            .map(|setting| setting.apply(path))
        };
        assert_eq!(all("/a//b"), ["/a//b", "/a//b", "/a/b", "/a/b"]);
        assert_eq!(all("/a%2Fb"), ["/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"]);
        assert_eq!(all("/%61/../b?x=/../y"), ["/%61/../b?x=/../y", "/b?x=/../y", "/b?x=/../y", "/b?x=/../y"]);
        assert_eq!(all("///"), ["///", "///", "//", "//"]);
        let base = |path: &str| Normalization::Base.apply(path);
        for (path, wanted) in [
            ("/a//../b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/x/..;v=1/admin", "/admin"),
            ("/x/%2e%2e;/admin", "/x/..;/admin"),
            ("/a|b\\c", "/a%7Cb/c"),
            ("/%2561dmin%zz%", "/%2561dmin%zz%"),
            ("http://host/p?q", "/p?q"),
            ("http://host", "/"),
        ] {
            assert_eq!(base(path), wanted, "{path}");
        }
        assert!(Normalization::Base.refuses("/a%00") && !Normalization::None.refuses("/a%00"));
        assert!(Normalization::None.refuses("/a#b") && !Normalization::Base.refuses("/a?b=%00"));
    }
}
