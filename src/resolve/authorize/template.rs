//! Path templates (H3 to H5, H10): `{*}` is one segment, `{**}` anything behind. Matching looks at each byte once.

use crate::model::Text;

/// A path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What stands before `{**}`, or all of it.
    start: Vec<Part>,
    /// What stands behind `{**}`, where there is one.
    end: Option<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Text),
    Segment,
}

/// What becomes of a value that has an operator in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// It is a template.
    Template(Template),
    /// It is none that istiod takes: an invalid value (C6).
    Invalid,
    /// istiod takes it, and Envoy refuses the whole listener (H10).
    Refused,
}

/// Whether a value is a template and no pattern (H3).
pub fn is_template(value: &str) -> bool {
    value.contains("{*}") || value.contains("{**}")
}

/// A character of a literal segment (H3).
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&byte)
}

/// What an operator takes, the slash of `{**}` apart: a star besides (H3).
fn is_taken(byte: u8) -> bool {
    is_literal(byte) || byte == b'*'
}

impl Template {
    /// Reads a value that [`is_template`].
    pub fn read(value: &str) -> Read {
        let inner = value.trim_matches('/');
        let mut has_any = false;
        for segment in inner.split('/') {
            let is_operator = segment == "{*}" || segment == "{**}";
            let is_fine =
                if is_operator { !has_any } else { !segment.is_empty() && segment.bytes().all(is_literal) };
            if !is_fine {
                return Read::Invalid;
            }
            has_any |= segment == "{**}";
        }
        // istiod does not look at slashes at the ends.
        if !value.starts_with('/') || value.starts_with("//") || value.ends_with("//") {
            return Read::Refused;
        }
        let (start, end) = match value.split_once("{**}") {
            Some((start, end)) => (start, Some(Text::from(end))),
            None => (value, None),
        };
        let mut parts = Vec::new();
        for (at, literal) in start.split("{*}").enumerate() {
            if at > 0 {
                parts.push(Part::Segment);
            }
            parts.push(Part::Literal(literal.into()));
        }
        Read::Template(Self { start: parts, end })
    }

    /// Whether a whole path fits (H5).
    pub fn fits(&self, path: &str) -> bool {
        let mut rest = path;
        for part in &self.start {
            let left = match part {
                Part::Literal(text) => rest.strip_prefix(&**text),
                Part::Segment => {
                    let taken = rest.bytes().take_while(|byte| is_taken(*byte)).count();
                    if taken == 0 { None } else { rest.get(taken..) }
                }
            };
            let Some(left) = left else { return false };
            rest = left;
        }
        match &self.end {
            None => rest.is_empty(),
            Some(end) => rest
                .strip_suffix(&**end)
                .is_some_and(|between| between.bytes().all(|byte| is_taken(byte) || byte == b'/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(value: &str, path: &str) -> bool {
        match Template::read(value) {
            Read::Template(template) => template.fits(path),
            other @ (Read::Invalid | Read::Refused) => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn templates_fit_whole_paths() {
        for (value, path) in [
            ("/allow/admin/{**}", "/allow/admin/"),
            ("/allow/admin/{**}", "/allow/admin/a/b"),
            ("/store/{**}/cart", "/store//cart"),
            ("/store/{**}/cart", "/store/a/b/cart"),
            ("/{**}", "/"),
            ("/{*}/{**}", "/a/"),
            ("/a/{*}/", "/a/b/"),
            ("/a/{**}/", "/a//"),
            ("/x/{*}", "/x/a*b"),
        ] {
            assert!(fits(value, path), "{value} {path}");
        }
        for (value, path) in [
            ("/allow/admin/{**}", "/allow/admin"),
            ("/foo/{*}/bar/{**}", "/foo//bar/x"),
            ("/store/{**}/cart", "/store/cart"),
            ("/{*}/{**}", "/a"),
            ("/a/{*}/", "/a/b"),
            ("/a/{**}/", "/a/"),
            ("/x/{*}", "/x/a[b"),
            ("/x/{*}", "/x/a/b"),
            ("/x/{**}", "/x/ä"),
        ] {
            assert!(!fits(value, path), "{value} {path}");
        }
    }

    #[test]
    fn what_is_no_template_is_told_from_what_envoy_refuses() {
        for value in ["/a{*}", "/{**}/{*}", "/{**}/x/{**}", "/a/{*}/*", "/a//{*}", "/{a}/{*}", "/a b/{*}"] {
            assert_eq!(Template::read(value), Read::Invalid, "{value}");
        }
        for value in ["{*}", "a/{*}", "//{*}", "//a/{*}", "/a/{*}//"] {
            assert_eq!(Template::read(value), Read::Refused, "{value}");
        }
    }
}
