//! Files as URIs (RFC 3986): relative to the folder in which the program runs where they are below it, with `/`
//! between the parts and everything else that is no letter, digit or `-._~` percent-encoded.

use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Standard input, which has no name.
    StandardInput,
    /// A reference relative to the folder in which the program runs.
    Relative(String),
    /// A URI of its own.
    Absolute(String),
}

impl Place {
    /// The place of a file as it was named or found.
    pub(super) fn of(file: &str, folder: Option<&Path>) -> Self {
        if file == "-" {
            return Self::StandardInput;
        }
        let path = below(file, folder);
        let parts: Vec<_> = path.components().filter_map(part).collect();
        let joined = parts.join("/");
        if path.has_root() {
            Self::Absolute(format!("file:///{joined}"))
        } else if joined.is_empty() {
            Self::Relative(".".to_owned())
        } else {
            Self::Relative(joined)
        }
    }
}

/// The file as a path from the folder, where it is below it.
pub(super) fn below<'a>(file: &'a str, folder: Option<&Path>) -> &'a Path {
    let path = Path::new(file);
    folder.and_then(|folder| path.strip_prefix(folder).ok()).unwrap_or(path)
}

fn part(part: Component<'_>) -> Option<String> {
    match part {
        Component::RootDir | Component::CurDir => None,
        Component::ParentDir => Some("..".to_owned()),
        Component::Prefix(_) | Component::Normal(_) => {
            let text = part.as_os_str().to_string_lossy();
            Some(utf8_percent_encode(&text, RESERVED).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(file: &str) -> String {
        match Place::of(file, Some(Path::new("/srv/mesh"))) {
            Place::Relative(uri) => uri,
            other @ (Place::StandardInput | Place::Absolute(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn relative_files_are_named_part_by_part() {
        assert_eq!(relative("mesh/a.yaml"), "mesh/a.yaml");
        assert_eq!(relative("./mesh//a.yaml"), "mesh/a.yaml");
        assert_eq!(relative("../a.yaml"), "../a.yaml");
        assert_eq!(relative("/srv/mesh/mesh/a.yaml"), "mesh/a.yaml");
        assert_eq!(relative("/srv/mesh"), ".");
        assert_eq!(relative("."), ".");
        // No part can be taken for a scheme, a query or a fragment.
        assert_eq!(relative("a b/c:d?e#f%20.yaml"), "a%20b/c%3Ad%3Fe%23f%2520.yaml");
        assert_eq!(relative("größe.yaml"), "gr%C3%B6%C3%9Fe.yaml");
        #[cfg(unix)]
        assert_eq!(relative("a\\b\u{202e}"), "a%5Cb%E2%80%AE");
    }

    #[cfg(unix)]
    #[test]
    fn other_files_have_a_uri_and_standard_input_has_none() {
        let place = |file: &str| Place::of(file, Some(Path::new("/srv/mesh")));
        assert_eq!(place("/srv/mesh-old/a"), Place::Absolute("file:///srv/mesh-old/a".to_owned()));
        assert_eq!(place("-"), Place::StandardInput);
        assert_eq!(place("./-"), Place::Relative("-".to_owned()));
    }
}
