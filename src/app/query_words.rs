//! What completes a query that is being typed: words of its language, and values that lines have.

use std::collections::BTreeMap;

use crate::logs::{Expected, Field, written};
use crate::model::Text;

/// What can stand in place of the last word, and at which byte that begins. Those that begin as the word does, in
/// whatever case; where there are none, those that have it in them.
pub fn completions(before: &str, values: &BTreeMap<Field, Vec<Text>>) -> (usize, Vec<String>) {
    let Some((expected, begin)) = Expected::at_the_end(before) else { return (before.len(), Vec::new()) };
    let all: Vec<(String, String)> = match expected {
        Expected::Value(field) => {
            let known = values.get(&field).into_iter().flatten();
            known.map(|value| (value.to_lowercase(), written(field, value))).collect()
        }
        Expected::Field | Expected::Sign(_) | Expected::Joint => {
            expected.words().into_iter().map(|word| (word.to_owned(), word.to_owned())).collect()
        }
    };
    let word = before.get(begin..).unwrap_or_default();
    let word = word.strip_prefix('"').unwrap_or(word).to_lowercase();
    let those = |fits: &dyn Fn(&str) -> bool| {
        all.iter().filter(|(text, _)| fits(text)).map(|(_, shown)| shown.clone()).collect::<Vec<_>>()
    };
    let beginning = those(&|text| text.starts_with(&word));
    let found = if beginning.is_empty() { those(&|text| text.contains(&word)) } else { beginning };
    (begin, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(before: &str) -> (usize, Vec<String>) {
        let values = [
            (Field::ResponseFlags, vec!["UC", "UF", "XX"]),
            (Field::Host, vec!["cart.shop.svc.cluster.local", "web.shop.svc.cluster.local", "a b"]),
        ];
        let values = values.map(|(field, all)| (field, all.into_iter().map(Text::from).collect()));
        completions(before, &BTreeMap::from(values))
    }

    #[test]
    fn the_last_word_is_completed() {
        assert_eq!(of("code=1 and fl"), (11, vec!["flags".into()]));
        assert_eq!(of("flags has u"), (10, vec!["UC".into(), "UF".into()]));
        // A flag that is none of Envoy's is taken in quotes.
        assert_eq!(of("flags has x"), (10, vec!["\"XX\"".into()]));
        assert_eq!(of("host=\"a"), (5, vec!["\"a b\"".into()]));
        // What is in the middle of a value is found, too.
        assert_eq!(of("host=web"), (5, vec!["web.shop.svc.cluster.local".into()]));
        assert_eq!(of("host=shop").1.len(), 2);
        assert_eq!(of("host=nosuch"), (5, Vec::new()));
        assert_eq!(of("path="), (5, Vec::new()));
        assert_eq!(of("nosuch = 1 and "), (15, Vec::new()));
        assert_eq!(of("code=1 "), (7, vec!["and".into(), "or".into()]));
    }
}
