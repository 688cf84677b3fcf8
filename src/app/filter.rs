//! The filter of every list: part of the text, `!` for what does not have it, `-f` for letters in their order.

/// A filter as it was typed and what it means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    needle: String,
    inverse: bool,
    fuzzy: bool,
}

impl Filter {
    /// Reads what was typed.
    pub fn new(text: &str) -> Self {
        let mut rest = text.trim();
        let inverse = rest.starts_with('!');
        rest = rest.strip_prefix('!').unwrap_or(rest).trim_start();
        let letters = rest.strip_prefix("-f").filter(|rest| rest.is_empty() || rest.starts_with(' '));
        Self {
            text: text.trim().to_owned(),
            needle: letters.unwrap_or(rest).trim().to_lowercase(),
            inverse,
            fuzzy: letters.is_some(),
        }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.needle.is_empty()
    }

    /// Whether a row with this text passes. Case does not matter.
    pub fn passes(&self, text: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        let found =
            if self.fuzzy { has_letters_in_order(&text, &self.needle) } else { text.contains(&self.needle) };
        found != self.inverse
    }
}

fn has_letters_in_order(text: &str, letters: &str) -> bool {
    let mut text = text.chars();
    letters.chars().filter(|one| *one != ' ').all(|letter| text.any(|one| one == letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing<'a>(filter: &str, rows: &[&'a str]) -> Vec<&'a str> {
        let filter = Filter::new(filter);
        rows.iter().copied().filter(|row| filter.passes(row)).collect()
    }

    #[test]
    fn part_inverse_and_fuzzy() {
        let rows = ["productpage.bookinfo", "Reviews.bookinfo", "cart.shop"];
        assert_eq!(passing("", &rows), rows);
        assert_eq!(passing("BOOK", &rows), ["productpage.bookinfo", "Reviews.bookinfo"]);
        assert_eq!(passing("!book", &rows), ["cart.shop"]);
        assert_eq!(passing("-f rvw", &rows), ["Reviews.bookinfo"]);
        assert_eq!(passing("! -f pp", &rows), ["Reviews.bookinfo", "cart.shop"]);
        assert_eq!(passing("!", &rows), rows);
        assert_eq!(passing("-foo", &rows), [""; 0]);
    }
}
