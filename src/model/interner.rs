//! Strings held once, however many objects carry them.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::Text;
use super::labels::Labels;

/// Holds one copy of each string and label set seen. Fifty thousand pods of one deployment share theirs.
#[derive(Debug, Default, Clone)]
pub struct Interner {
    texts: FxHashSet<Text>,
    labels: FxHashSet<Labels>,
}

impl Interner {
    /// The shared copy of `text`.
    pub fn text(&mut self, text: &str) -> Text {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Text = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// The shared copy of a label set given in any order. A key given twice keeps its last value.
    pub fn labels<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
        let labels =
            Labels::from_pairs(pairs.into_iter().map(|(k, v)| (self.text(k), self.text(v))).collect());
        if let Some(known) = self.labels.get(&labels) {
            return known.clone();
        }
        self.labels.insert(labels.clone());
        labels
    }
}
