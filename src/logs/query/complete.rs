//! What can stand where a query that is being typed ends.

use super::Operator;
use super::parse::{Reader, is_bare};
use super::value::signs;
use crate::logs::fields::{Field, FieldKind};
use crate::logs::response_flags::response_flag;

/// What is to be typed next, or what was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A field, or `not`.
    Field,
    /// A sign that goes with the field.
    Sign(Field),
    /// A value of the field.
    Value(Field),
    /// `and` or `or`.
    Joint,
}

impl Expected {
    /// What ends a text, and at which byte it begins. `None` behind what is wrong, and where a value has just ended.
    pub fn at_the_end(text: &str) -> Option<(Self, usize)> {
        let mut reader = Reader::new(text);
        loop {
            let (begin, field) = match test(&mut reader)? {
                Step::Ends(expected, begin) => return Some((expected, begin)),
                Step::Operator(begin, field) => (begin, field),
            };
            let is_quoted = text.get(begin..).is_some_and(|value| value.starts_with('"'));
            match (reader.value().is_ok(), reader.is_at_end()) {
                (true, true) => return (!is_quoted).then_some((Self::Value(field), begin)),
                // A quote that is not closed may still be.
                (false, at_end) => return (at_end || is_quoted).then_some((Self::Value(field), begin)),
                (true, false) => {}
            }
            let begin = joint(&mut reader)?;
            if reader.is_at_end() {
                return Some((Self::Joint, begin));
            }
        }
    }

    /// The words of the language that can stand there. Values are those of lines: they are not known here.
    pub fn words(self) -> Vec<&'static str> {
        match self {
            // The shortest names first.
            Self::Field => {
                let others = Field::ALL.iter().filter(|field| !COMMON.contains(field));
                let short = COMMON.iter().chain(others).filter_map(|field| short(*field));
                let all =
                    Field::ALL.iter().flat_map(|field| field.names().iter().map(|name| (*field, *name)));
                let long =
                    all.filter(|(field, name)| Some(*name) != self::short(*field)).map(|(_, name)| name);
                short.chain(long).chain(["not"]).collect()
            }
            Self::Sign(field) => signs(field.kind()).collect(),
            Self::Value(_) => Vec::new(),
            Self::Joint => vec!["and", "or"],
        }
    }
}

/// The fields that are asked for most, which are named first.
const COMMON: [Field; 8] = [
    Field::ResponseCode,
    Field::ResponseFlags,
    Field::Host,
    Field::Path,
    Field::Pod,
    Field::Reporter,
    Field::Duration,
    Field::ResponseCodeDetails,
];

fn short(field: Field) -> Option<&'static str> {
    field.names().iter().min_by_key(|name| name.len()).copied()
}

/// A value as a query has it: in quotes where it needs them.
pub fn written(field: Field, value: &str) -> String {
    let is_plain = match field.kind() {
        // One of an extension of Envoy's is taken in quotes only.
        FieldKind::Flags => response_flag(value).is_some(),
        FieldKind::Text | FieldKind::Number | FieldKind::Millis | FieldKind::Time => is_bare(value),
    };
    if is_plain {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

enum Step {
    /// The text ends with this, which begins there.
    Ends(Expected, usize),
    /// A field and its sign were read; where its value begins.
    Operator(usize, Field),
}

/// A field and its sign, with `not` and parentheses before them.
fn test(reader: &mut Reader<'_>) -> Option<Step> {
    let begin = loop {
        reader.spaces();
        let begin = reader.at();
        if reader.keyword("not") {
            if reader.is_at_end() {
                return Some(Step::Ends(Expected::Field, begin));
            }
        } else if !reader.take("(") {
            break begin;
        }
    };
    let (_, name) = reader.word();
    if reader.is_at_end() {
        return Some(Step::Ends(Expected::Field, begin));
    }
    let field = Field::named(&name.to_ascii_lowercase())?;
    reader.spaces();
    let begin = reader.at();
    if reader.is_at_end() {
        return Some(Step::Ends(Expected::Sign(field), begin));
    }
    let Some(operator) = reader.operator() else {
        reader.word();
        return reader.is_at_end().then_some(Step::Ends(Expected::Sign(field), begin));
    };
    if operator == Operator::Has && reader.is_at_end() {
        return Some(Step::Ends(Expected::Sign(field), begin));
    }
    reader.spaces();
    Some(Step::Operator(reader.at(), field))
}

/// Closing parentheses, then `and` or `or`, or what the text ends with; where the word begins. `None` where it is neither.
fn joint(reader: &mut Reader<'_>) -> Option<usize> {
    reader.spaces();
    while reader.take(")") {
        reader.spaces();
    }
    let begin = reader.at();
    let is_known = reader.keyword("and") || reader.keyword("or");
    if !is_known {
        reader.word();
    }
    (is_known || reader.is_at_end()).then_some(begin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Query, Test, Wanted};
    use super::*;

    #[test]
    fn a_query_that_is_being_typed_expects_what_comes_next() {
        use Expected::{Joint, Sign, Value};
        let (flags, code, host) = (Field::ResponseFlags, Field::ResponseCode, Field::Host);
        for (text, expected) in [
            ("", Some((Expected::Field, 0))),
            ("  fl", Some((Expected::Field, 2))),
            ("not", Some((Expected::Field, 0))),
            ("not (not c", Some((Expected::Field, 9))),
            ("flags ", Some((Sign(flags), 6))),
            ("flags h", Some((Sign(flags), 6))),
            ("flags has", Some((Sign(flags), 6))),
            ("flags has ", Some((Value(flags), 10))),
            ("FLAGS HAS u", Some((Value(flags), 10))),
            ("code>", Some((Value(code), 5))),
            ("code>=5", Some((Value(code), 6))),
            ("code>=500 ", Some((Joint, 10))),
            ("(code>=500) o", Some((Joint, 12))),
            ("code>=500 and", Some((Joint, 10))),
            ("code>=500 and ", Some((Expected::Field, 14))),
            ("code=1 or (host ~ \"a b\" and host=\"c", Some((Value(host), 33))),
            ("host=größe and h", Some((Expected::Field, 17))),
            // Behind a mistake nothing is known.
            ("flagz has ", None),
            ("code ! ", None),
            ("code=1 but ", None),
            ("host=\"a\"", None),
            ("and ", None),
        ] {
            assert_eq!(Expected::at_the_end(text), expected, "{text}");
        }
    }

    #[test]
    fn words_fit_what_stands_before_them() {
        let fields = Expected::Field.words();
        assert_eq!(fields.first(), Some(&"code"));
        assert!(Field::ALL.iter().flat_map(|field| field.names()).all(|name| fields.contains(name)));
        assert_eq!(fields.len(), fields.iter().collect::<std::collections::BTreeSet<_>>().len());
        assert_eq!(Expected::Sign(Field::ResponseFlags).words(), ["has", "=", "!=", "~", "!~"]);
        for field in Field::ALL {
            for sign in Expected::Sign(*field).words() {
                let query = format!("{} {sign} ", field.name());
                assert_eq!(Expected::at_the_end(&query), Some((Expected::Value(*field), query.len())));
            }
        }
    }

    proptest! {
        /// Whatever is typed, where the word begins is a place in the text.
        #[test]
        fn any_text_is_taken(text in "[a-z=<>!~()\" \\\\é日]{0,40}|(code|flags|not|and|has|=|>=| |\\(|\\)|\"|x){0,20}") {
            if let Some((_, begin)) = Expected::at_the_end(&text) {
                prop_assert!(text.is_char_boundary(begin));
            }
        }

        /// A value as it is written is read back as itself.
        #[test]
        fn a_value_is_read_back(value in any::<String>()) {
            let query = Query::parse(&format!("path = {}", written(Field::Path, &value)));
            let wanted = Wanted::Text(value);
            prop_assert_eq!(query, Ok(Query::Test(Test { field: Field::Path, operator: Operator::Equal, wanted })));
        }
    }
}
