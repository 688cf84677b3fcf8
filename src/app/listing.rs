//! A list of rows of which one is selected: by its identity, not by its number, because rows move.

use super::command::Motion;
use super::filter::Filter;

/// A row: who it is, and where its content stands in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<I = String> {
    /// Its identity.
    pub id: I,
    /// Its place in the answer.
    pub at: usize,
}

/// The rows that pass the filter, the selection and the part in sight.
#[derive(Debug, Default)]
pub struct Listing<I = String> {
    rows: Vec<Row<I>>,
    total: usize,
    /// What the user selected: it stays so while a filter hides it.
    chosen: Option<I>,
    at: usize,
    top: usize,
    room: usize,
    filter: Filter,
}

impl<I: Clone + PartialEq> Listing<I> {
    /// Takes new rows, out of `total` before filters. `room` is how many are in sight at once.
    pub fn set(&mut self, rows: Vec<Row<I>>, total: usize, room: usize) {
        self.rows = rows;
        self.total = total;
        self.room = room.max(1);
        let found = self.chosen.as_ref().and_then(|id| self.rows.iter().position(|row| row.id == *id));
        self.at = found.unwrap_or(self.at).min(self.rows.len().saturating_sub(1));
        if self.chosen.is_none() {
            self.choose();
        }
        self.keep_in_sight();
    }

    /// Moves the selection.
    pub fn move_by(&mut self, motion: Motion) {
        let last = self.rows.len().saturating_sub(1);
        self.at = match motion {
            Motion::Up => self.at.saturating_sub(1),
            Motion::Down => (self.at + 1).min(last),
            Motion::PageUp => self.at.saturating_sub(self.room),
            Motion::PageDown => (self.at + self.room).min(last),
            Motion::First => 0,
            Motion::Last => last,
        };
        self.choose();
        self.keep_in_sight();
    }

    fn choose(&mut self) {
        self.chosen = self.rows.get(self.at).map(|row| row.id.clone());
    }

    fn keep_in_sight(&mut self) {
        // There is no room yet while the first answer is being made; keys are pressed all the same.
        let room = self.room.max(1);
        let highest = self.rows.len().saturating_sub(room);
        self.top = self.top.clamp((self.at + 1).saturating_sub(room), self.at).min(highest);
    }

    /// The selected row.
    pub fn selected(&self) -> Option<&Row<I>> {
        self.rows.get(self.at)
    }

    /// The rows in sight, and whether each is the selected one.
    pub fn in_sight(&self, room: usize) -> impl Iterator<Item = (&Row<I>, bool)> {
        let rows = self.rows.iter().enumerate().skip(self.top).take(room);
        rows.map(|(at, row)| (row, at == self.at))
    }

    /// All rows that pass the filter.
    pub fn rows(&self) -> &[Row<I>] {
        &self.rows
    }

    /// The place of the first row in sight, and of the selected one.
    pub fn place(&self) -> (usize, usize) {
        (self.top, self.at)
    }

    /// How many rows pass the filter.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many there are without filter.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Sets the filter; the rows are to be set anew.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(ids: &[&str]) -> Vec<Row> {
        ids.iter().enumerate().map(|(at, id)| Row { id: (*id).to_owned(), at }).collect()
    }

    fn selected(listing: &Listing) -> &str {
        listing.selected().map_or("-", |row| &row.id)
    }

    #[test]
    fn moving_in_a_list_that_has_no_rows_yet_does_nothing() {
        let mut listing = Listing::default();
        for motion in
            [Motion::Down, Motion::Up, Motion::PageDown, Motion::PageUp, Motion::First, Motion::Last]
        {
            listing.move_by(motion);
            assert_eq!(selected(&listing), "-");
        }
    }

    #[test]
    fn the_selection_stays_on_its_row_while_rows_move() {
        let mut listing = Listing::default();
        listing.set(rows(&["a", "b", "c"]), 3, 2);
        listing.move_by(Motion::Down);
        listing.set(rows(&["x", "y", "a", "b", "c"]), 5, 2);
        assert_eq!(selected(&listing), "b");
        let seen: Vec<_> = listing.in_sight(2).map(|(row, _)| row.id.as_str()).collect();
        assert_eq!(seen, ["a", "b"]);
    }

    #[test]
    fn a_hidden_selection_comes_back() {
        let mut listing = Listing::default();
        listing.set(rows(&["a", "b", "c"]), 3, 9);
        listing.move_by(Motion::Last);
        listing.set(rows(&["a"]), 3, 9);
        assert_eq!(selected(&listing), "a");
        listing.set(rows(&["a", "b", "c"]), 3, 9);
        assert_eq!(selected(&listing), "c");
    }

    #[test]
    fn no_rows_no_selection() {
        let mut listing = Listing::default();
        listing.set(Vec::new(), 0, 0);
        for motion in [Motion::Up, Motion::Down, Motion::PageDown, Motion::Last, Motion::First] {
            listing.move_by(motion);
        }
        assert_eq!(selected(&listing), "-");
        listing.set(rows(&["a"]), 1, 1);
        assert_eq!(selected(&listing), "a");
    }
}
