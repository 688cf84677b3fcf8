//! Fields about tokens: `requestPrincipals` (J1) and claims (J2).

use serde_json::Value;

use super::pattern::{Pattern, Star};

/// Claims that are lists, written as one text with spaces (J2).
const SPACE_DELIMITED: [&str; 2] = ["scope", "permission"];

/// A value of `requestPrincipals`: what it asks of issuer and subject (J1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPrincipal {
    issuer: Pattern,
    subject: Pattern,
}

impl RequestPrincipal {
    /// What a value asks. It is split at its last slash.
    pub fn new(value: &str) -> Self {
        let exact = |text: &str| Pattern::Exact(text.into());
        let suffix = |text: &str| Pattern::Suffix(text.into());
        let prefix = |text: &str| Pattern::Prefix(text.into());
        let or_any = |text: &str, other: &dyn Fn(&str) -> Pattern| {
            if text.is_empty() { Pattern::Any } else { other(text) }
        };
        let (issuer, subject) =
            match (value.strip_prefix('*'), value.strip_suffix('*'), value.rsplit_once('/')) {
                (Some(""), _, _) => (Pattern::Any, Pattern::Any),
                (Some(rest), _, Some(_)) => {
                    let (issuer, subject) = rest.rsplit_once('/').unwrap_or((rest, ""));
                    (or_any(issuer, &suffix), exact(subject))
                }
                (Some(rest), _, None) => (Pattern::Any, suffix(rest)),
                (None, Some(_), Some((issuer, subject))) => {
                    (exact(issuer), or_any(subject.strip_suffix('*').unwrap_or(subject), &prefix))
                }
                (None, Some(start), None) => (prefix(start), Pattern::Any),
                (None, None, Some((issuer, subject))) => (exact(issuer), exact(subject)),
                (None, None, None) => (exact(value), exact("")),
            };
        Self { issuer, subject }
    }

    /// Whether the claims of a token fit.
    pub fn fits(&self, claims: &Value) -> bool {
        let text = |key: &str| claims.get(key).and_then(Value::as_str);
        match (text("iss"), text("sub")) {
            (Some(issuer), Some(subject)) => {
                self.issuer.fits(issuer, Star::SomeText) && self.subject.fits(subject, Star::SomeText)
            }
            // A token without a subject has none that fits anything.
            (_, _) => false,
        }
    }
}

/// The claims that a request's token has, and which of them are lists written as one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The payload.
    pub payload: Value,
    /// `spaceDelimitedClaims` of the rules that took it.
    pub space_delimited: Vec<String>,
}

impl Claims {
    /// Whether a claim fits any of some patterns.
    pub fn fit(&self, path: &[String], patterns: &[Pattern]) -> bool {
        let fits = |text: &str| Pattern::any_fits(patterns, text, Star::SomeText);
        match path.iter().try_fold(&self.payload, |value, key| value.get(key)) {
            Some(Value::String(text)) if self.is_split(path) => {
                text.split(' ').filter(|piece| !piece.is_empty()).any(fits)
            }
            Some(Value::String(text)) => fits(text),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).any(fits),
            // Numbers, booleans, null and objects fit nothing.
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
        }
    }

    /// Only claims at the top are split.
    fn is_split(&self, path: &[String]) -> bool {
        let [key] = path else { return false };
        SPACE_DELIMITED.contains(&key.as_str()) || self.space_delimited.contains(key)
    }

    /// A claim as it stands in the token.
    pub fn get(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(&self.payload, |value, key| value.get(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn request_principals_are_split_at_their_last_slash() {
        let fits = |value: &str, iss: &str, sub: &str| {
            RequestPrincipal::new(value).fits(&json!({"iss": iss, "sub": sub}))
        };
        for (value, iss, sub) in [
            ("*", "i", "s"),
            ("*/s", "i", "s"),
            ("*x/s", "https://a/x", "s"),
            ("*s", "i", "as"),
            ("https://a/*", "https://a", "s"),
            ("https://a/y*", "https://a", "yes"),
            ("i*", "issuer", "s"),
            ("https://a/s", "https://a", "s"),
            ("i", "i", ""),
        ] {
            assert!(fits(value, iss, sub), "{value}");
        }
        for (value, iss, sub) in [
            ("*", "i", ""),
            ("*/s", "", "s"),
            ("i*", "issuer", ""),
            ("i/s", "i", "t"),
            ("i", "i", "s"),
            ("*/*", "i", "s"),
        ] {
            assert!(!fits(value, iss, sub), "{value}");
        }
        assert!(!RequestPrincipal::new("*").fits(&json!({"iss": "i"})));
    }

    #[test]
    fn claims_are_texts_and_lists_of_texts() {
        let claims = Claims {
            payload: json!({"aud": "api web", "scope": " read  write", "n": {"scope": "a b", "l": ["x", 5]}, "level": 5,
                "roles": "a b", "none": [], "empty": ""}),
            space_delimited: vec!["roles".to_owned()],
        };
        let fits = |path: &[&str], value: &str| {
            claims.fit(&path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(), &[Pattern::new(value)])
        };
        assert!(
            fits(&["scope"], "write")
                && fits(&["roles"], "b")
                && fits(&["n", "l"], "x")
                && fits(&["aud"], "api*")
        );
        assert!(
            !fits(&["aud"], "web")
                && !fits(&["n", "scope"], "a")
                && !fits(&["level"], "5")
                && !fits(&["n"], "*")
        );
        assert!(
            !fits(&["none"], "*")
                && !fits(&["empty"], "*")
                && !fits(&["absent"], "*")
                && !fits(&["n", "l"], "5")
        );
    }
}
