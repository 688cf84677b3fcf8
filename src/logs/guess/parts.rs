//! A line cut at its spaces: words, quoted texts, and values behind `key=`.

/// No format has more fields.
const MOST: usize = 96;

/// A part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// What stands before `=`.
    pub(super) key: Option<&'a str>,
    pub(super) value: &'a [u8],
    pub(super) quoted: bool,
    /// Where the value begins in the line, and where it ends.
    begin: usize,
    end: usize,
}

/// The parts of a line; `None` where a quote does not open or close at the end of a part, so that the parts are in
/// doubt, and where there are too many.
pub(super) fn parts(text: &[u8]) -> Option<Vec<Part<'_>>> {
    let (mut parts, mut at) = (Vec::new(), 0);
    loop {
        at += text.get(at..)?.iter().take_while(|byte| is_space(**byte)).count();
        if at == text.len() {
            return Some(parts);
        }
        if parts.len() == MOST {
            return None;
        }
        let (part, end) = part_at(text, at)?;
        parts.push(part);
        at = end;
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The part at a place, and where what follows it begins.
fn part_at(text: &[u8], at: usize) -> Option<(Part<'_>, usize)> {
    let rest = text.get(at..)?;
    let word = rest.split(|byte| is_space(*byte)).next()?;
    let (key, begin) = match key_of(word) {
        Some(key) => (Some(key), at + key.len() + 1),
        None => (None, at),
    };
    if text.get(begin) == Some(&b'"') {
        let begin = begin + 1;
        let end = begin + memchr::memchr(b'"', text.get(begin..)?)?;
        let is_end = text.get(end + 1).is_none_or(|byte| is_space(*byte));
        let part = Part { key, value: text.get(begin..end)?, quoted: true, begin, end };
        return is_end.then_some((part, end + 1));
    }
    let end = at + word.len();
    let value = text.get(begin..end)?;
    (!value.contains(&b'"')).then_some((Part { key, value, quoted: false, begin, end }, end))
}

/// What stands before the first `=` of a word, if it can be the name of something. A path or an address is none.
pub(super) fn key_of(word: &[u8]) -> Option<&str> {
    let key = word.split_at_checked(memchr::memchr(b'=', word)?)?.0;
    let is_name = key.len() <= 40
        && key.iter().find(|byte| **byte != b':').is_some_and(u8::is_ascii_alphabetic)
        && key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.'));
    std::str::from_utf8(key).ok().filter(|_| is_name)
}

impl<'a> Part<'a> {
    /// The part and the word behind it, as one value.
    pub(super) fn and(self, text: &'a [u8], next: &Self) -> Option<Self> {
        Some(Self { value: text.get(self.begin..next.end)?, end: next.end, ..self })
    }

    /// A word without a name before it.
    pub(super) fn word(&self) -> Option<&'a [u8]> {
        (self.key.is_none() && !self.quoted).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<Vec<String>> {
        let told = |part: &Part<'_>| {
            let quote = if part.quoted { "'" } else { "" };
            let key = part.key.map(|key| format!("{key}:")).unwrap_or_default();
            format!("{key}{quote}{}{quote}", String::from_utf8_lossy(part.value))
        };
        parts(text.as_bytes()).map(|parts| parts.iter().map(told).collect())
    }

    #[test]
    fn words_quotes_and_values() {
        assert_eq!(
            told("a  b=c \"d e=f\"\tg=\"h i\" =j /k?l=m").unwrap(),
            ["a", "b:c", "'d e=f'", "g:'h i'", "=j", "/k?l=m"]
        );
        assert_eq!(told("").unwrap(), [""; 0]);
        assert_eq!(told("a=").unwrap(), ["a:"]);
        for text in ["a=\"b", "a=\"b\"c", "a\"b c\"", "\"a\" \"", "a=b\"c\""] {
            assert_eq!(told(text), None, "{text}");
        }
        assert_eq!(told(&"a ".repeat(97)), None);
    }
}
