//! Label sets and the selection by equality that Istio and Services use.

use std::sync::Arc;

use super::Text;

/// A label set, sorted by key. Cloning shares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Labels {
    /// The set of these pairs. A key given twice keeps its last value.
    pub fn from_pairs(mut pairs: Vec<(Text, Text)>) -> Self {
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(pairs.into())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }

    /// Whether every one of these labels is in `other` too: the test of `matchLabels`. An empty set selects all.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
    }

    #[test]
    fn selection_is_by_equality_of_every_label() {
        let pod = labels(&[("app", "a"), ("version", "v1")]);
        assert!(labels(&[("app", "a")]).is_subset_of(&pod));
        assert!(labels(&[]).is_subset_of(&pod));
        assert!(!labels(&[("app", "b")]).is_subset_of(&pod));
        assert!(!labels(&[("app", "a"), ("x", "")]).is_subset_of(&pod));
    }

    #[test]
    fn a_key_given_twice_keeps_its_last_value() {
        assert_eq!(labels(&[("app", "a"), ("app", "b")]).get("app"), Some("b"));
    }
}
