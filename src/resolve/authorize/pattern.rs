//! Patterns of texts, with at most one star (P1), and the globs of namespaces (I3). Both cost no more than a look at each
//! byte of the text.

use memchr::memmem;

use crate::model::Text;

/// A pattern (P1). A star that is not at an end is an ordinary character.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `*`.
    Any,
    /// `*x`: ends with `x`.
    Suffix(Text),
    /// `x*`: begins with `x`.
    Prefix(Text),
    /// Equal.
    Exact(Text),
}

/// What `*` asks of a text that is there (P3, P3a).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Star {
    /// Nothing.
    Presence,
    /// That it is not empty.
    SomeText,
}

impl Pattern {
    /// The pattern of a value. With stars at both ends only the first is one.
    pub fn new(value: &str) -> Self {
        if value == "*" {
            Self::Any
        } else if let Some(end) = value.strip_prefix('*') {
            Self::Suffix(end.into())
        } else if let Some(start) = value.strip_suffix('*') {
            Self::Prefix(start.into())
        } else {
            Self::Exact(value.into())
        }
    }

    /// Whether a text that is there fits.
    pub fn fits(&self, text: &str, star: Star) -> bool {
        match self {
            Self::Any => star == Star::Presence || !text.is_empty(),
            Self::Suffix(end) => text.ends_with(&**end),
            Self::Prefix(start) => text.starts_with(&**start),
            Self::Exact(whole) => text == &**whole,
        }
    }

    /// Whether any of several fits.
    pub fn any_fits(patterns: &[Self], text: &str, star: Star) -> bool {
        patterns.iter().any(|pattern| pattern.fits(text, star))
    }
}

/// A pattern in which every star stands for any text, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    start: Text,
    between: Vec<Text>,
    /// `None` where there is no star at all.
    end: Option<Text>,
}

impl Glob {
    /// The glob of a value.
    pub fn new(value: &str) -> Self {
        let mut parts = value.split('*').map(Text::from);
        let start = parts.next().unwrap_or_default();
        let mut between: Vec<Text> = parts.collect();
        let end = between.pop();
        Self { start, between, end }
    }

    /// Whether a whole text fits.
    pub fn fits(&self, text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix(&*self.start) else { return false };
        let Some(end) = &self.end else { return rest.is_empty() };
        // The first place where a part stands leaves the most for the others.
        for part in &self.between {
            let after = memmem::find(rest.as_bytes(), part.as_bytes()).map(|at| at + part.len());
            let Some(left) = after.and_then(|after| rest.get(after..)) else { return false };
            rest = left;
        }
        rest.ends_with(&**end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_counts_at_one_end() {
        let fits = |value: &str, text: &str| Pattern::new(value).fits(text, Star::SomeText);
        for (value, text) in
            [("*", "a"), ("*x", "yx"), ("*x", "x"), ("x*", "x"), ("a*b", "a*b"), ("*a*", "xa*")]
        {
            assert!(fits(value, text), "{value} {text}");
        }
        for (value, text) in [("*", ""), ("a*b", "axb"), ("*a*", "xax"), ("a", "A"), ("", "a")] {
            assert!(!fits(value, text), "{value} {text}");
        }
        assert!(Pattern::Any.fits("", Star::Presence) && fits("", ""));
    }

    #[test]
    fn every_star_of_a_glob_counts() {
        let fits = |value: &str, text: &str| Glob::new(value).fits(text);
        for (value, text) in [("a*b*c", "a/b/b/c"), ("*", ""), ("a", "a"), ("*aa", "aaa"), ("a*a", "aa")] {
            assert!(fits(value, text), "{value} {text}");
        }
        for (value, text) in [("a*a", "a"), ("a", "ab"), ("*b*c", "acb"), ("a*", "ba")] {
            assert!(!fits(value, text), "{value} {text}");
        }
    }

    #[test]
    fn a_hostile_glob_costs_what_its_length_does() {
        let text = "a".repeat(1_000_000);
        assert!(!Glob::new(&format!("{}b", "a*".repeat(1_000))).fits(&text));
        assert!(Glob::new(&"a*".repeat(1_000)).fits(&text));
    }
}
