//! The text of a query, and what is wrong with it.
//!
//! `or` binds least, then `and`, then `not`; parentheses bind most. Words may be in either case. A value is a word, or
//! stands in double quotes with `\"` and `\\` for those two.

use std::fmt;

use super::value::{unfit, wanted};
use super::{Operator, Query, Test};
use crate::logs::fields::Field;

/// How deep parentheses and `not` may stand in each other.
const DEEPEST: usize = 64;

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The query.
    text: String,
    /// From where, in bytes.
    at: usize,
    /// To where.
    end: usize,
    /// What.
    what: String,
}

impl Mistake {
    /// The number of the first letter that is wrong, from 1.
    pub fn column(&self) -> usize {
        self.text.get(..self.at).unwrap_or_default().chars().count() + 1
    }

    /// What is wrong, in words.
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// What is wrong, the query, and a mark below its place.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.column();
        let length = self.text.get(self.at..self.end).unwrap_or_default().chars().count().max(1);
        let shown = self.text.replace(['\n', '\r', '\t'], " ");
        write!(
            f,
            "{} (at {column})\n  {shown}\n  {}{}",
            self.what,
            " ".repeat(column - 1),
            "^".repeat(length)
        )
    }
}

pub(super) fn query(text: &str) -> Result<Query, Mistake> {
    let mut reader = Reader::new(text);
    let query = reader.any()?;
    reader.spaces();
    if reader.rest().is_empty() {
        return Ok(query);
    }
    let what = if reader.rest().starts_with(')') {
        "this closes no parenthesis".to_owned()
    } else {
        "expected `and` or `or`".to_owned()
    };
    Err(reader.mistake(reader.at, reader.word_end(), what))
}

/// Whether a text can stand without quotes.
pub(super) fn is_bare(text: &str) -> bool {
    !text.is_empty() && text != "-" && text.chars().all(is_of_word) && !is_keyword(text)
}

fn is_of_word(letter: char) -> bool {
    !letter.is_whitespace() && !matches!(letter, '(' | ')' | '"' | '\\' | '=' | '!' | '~' | '<' | '>')
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "has"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Reads a query from its beginning on.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether all was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn any(&mut self) -> Result<Query, Mistake> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Query::Any))
    }

    fn all(&mut self) -> Result<Query, Mistake> {
        let mut parts = vec![self.not()?];
        while self.keyword("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Query::All))
    }

    fn not(&mut self) -> Result<Query, Mistake> {
        self.spaces();
        let begin = self.at;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.mistake(begin, begin + 1, format!("deeper than {DEEPEST} levels")));
        }
        let query = if self.keyword("not") {
            Query::Not(Box::new(self.not()?))
        } else if self.take("(") {
            let query = self.any()?;
            self.spaces();
            if !self.take(")") {
                let end = self.text.len();
                return Err(self.mistake(begin, end, "this parenthesis is not closed".to_owned()));
            }
            query
        } else {
            Query::Test(self.test()?)
        };
        self.depth -= 1;
        Ok(query)
    }

    fn test(&mut self) -> Result<Test, Mistake> {
        let (begin, name) = self.word();
        if name.is_empty() || is_keyword(name) {
            return Err(self.mistake(
                begin,
                self.word_end(),
                "expected a field such as code, flags or host".to_owned(),
            ));
        }
        let Some(field) = Field::named(&name.to_ascii_lowercase()) else {
            let near = Field::ALL.iter().map(|field| field.name()).filter(|known| is_near(known, name));
            let near: Vec<_> = near.take(4).collect();
            let hint = if near.is_empty() {
                Field::ALL.iter().map(|field| field.name()).collect::<Vec<_>>().join(", ")
            } else {
                near.join(", ")
            };
            return Err(self.mistake(begin, self.at, format!("no field is called {name}; there are {hint}")));
        };
        self.spaces();
        let sign_at = self.at;
        let operator = self.operator().ok_or_else(|| {
            let what = "expected one of = != < <= > >= ~ !~ has".to_owned();
            self.mistake(sign_at, self.word_end(), what)
        })?;
        if let Some(what) = unfit(field, operator) {
            return Err(self.mistake(sign_at, self.at, what));
        }
        let (begin, value, quoted) = self.value()?;
        let wanted = wanted(field, operator, &value, quoted);
        Ok(Test { field, operator, wanted: wanted.map_err(|what| self.mistake(begin, self.at, what))? })
    }

    pub(super) fn operator(&mut self) -> Option<Operator> {
        let signs = Operator::ALL.iter().filter(|(text, _)| *text != "has");
        for (text, operator) in signs {
            if self.take(text) {
                return Some(*operator);
            }
        }
        self.keyword("has").then_some(Operator::Has)
    }

    pub(super) fn value(&mut self) -> Result<(usize, String, bool), Mistake> {
        self.spaces();
        let begin = self.at;
        if !self.take("\"") {
            let (begin, word) = self.word();
            if word.is_empty() || is_keyword(word) {
                let what = "expected a value; one with spaces or signs stands in \"quotes\"".to_owned();
                return Err(self.mistake(begin, self.word_end(), what));
            }
            return Ok((begin, word.to_owned(), false));
        }
        let mut value = String::new();
        let mut letters = self.rest().char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += at + 1;
                    return Ok((begin, value, true));
                }
                '\\' => {
                    let Some((_, escaped @ ('"' | '\\'))) = letters.next() else {
                        let at = self.at + at;
                        return Err(self.mistake(at, at + 1, "only \\\" and \\\\ are escapes".to_owned()));
                    };
                    value.push(escaped);
                }
                plain => value.push(plain),
            }
        }
        Err(self.mistake(begin, self.text.len(), "this quote is not closed".to_owned()))
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is = self.rest().starts_with(sign);
        if is {
            self.at += sign.len();
        }
        is
    }

    /// Where the word, or the sign, that begins here ends.
    fn word_end(&self) -> usize {
        let rest = self.rest();
        let word = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len());
        self.at + if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) }
    }

    pub(super) fn word(&mut self) -> (usize, &'a str) {
        self.spaces();
        let begin = self.at;
        let rest = self.rest();
        let (word, _) = rest.split_at(rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len()));
        if !is_keyword(word) {
            self.at += word.len();
        }
        (begin, word)
    }

    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        self.spaces();
        let rest = self.rest();
        let (word, _) = rest.split_at(rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len()));
        let is = word.eq_ignore_ascii_case(wanted);
        if is {
            self.at += word.len();
        }
        is
    }

    fn mistake(&self, at: usize, end: usize, what: String) -> Mistake {
        Mistake { text: self.text.to_owned(), at, end: end.max(at), what }
    }
}

fn one_or(mut parts: Vec<Query>, several: fn(Vec<Query>) -> Query) -> Query {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            parts.extend(last);
            several(parts)
        }
    }
}

/// A name that may have been meant: one has the other in it, or they begin alike.
fn is_near(known: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let beginning: String = name.chars().take(4).collect();
    known.contains(&name) || name.contains(known) || beginning.len() == 4 && known.starts_with(&beginning)
}
