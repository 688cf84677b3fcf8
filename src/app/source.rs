//! Where the mesh comes from, and how far reading it is.

/// How the source is named on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// `-f PATH`, once for each.
    Paths(Vec<String>),
    /// `meshscope demo`.
    Demo,
}

/// Where the mesh comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the header.
    pub name: String,
    /// How it is named on a command line.
    pub given: Given,
    /// The other flags that decide what is read, each as a word.
    pub flags: Vec<String>,
}

impl Source {
    /// The command line that answers the same as a view: `meshscope why -f mesh/ productpage.bookinfo:9080`. What is
    /// shown may be limited to a namespace.
    pub fn command_line(&self, command: &[String], namespace: Option<&str>) -> String {
        let mut words = vec!["meshscope".to_owned()];
        if self.given == Given::Demo {
            words.push("demo".to_owned());
        }
        let (name, arguments) =
            command.split_first().map_or((None, command), |(name, rest)| (Some(name), rest));
        words.extend(name.cloned());
        if let Given::Paths(paths) = &self.given {
            for path in paths {
                words.push("-f".to_owned());
                words.push(quoted(path));
            }
        }
        words.extend(self.flags.iter().map(|word| quoted(word)));
        words.extend(namespace.into_iter().flat_map(|name| ["-n".to_owned(), quoted(name)]));
        words.extend(arguments.iter().map(|word| quoted(word)));
        words.join(" ")
    }
}

/// A word as a shell takes it back: in single quotes where it is not plain.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// How far reading the source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Begun; what is being read, where that is known.
    Begun(String),
    /// Done.
    Done,
    /// Not possible, and why.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_a_command_line() {
        let files = Source {
            name: "mesh/".into(),
            given: Given::Paths(vec!["mesh/".into(), "it's here".into()]),
            flags: vec!["-i".into(), "root".into()],
        };
        let why = ["why".to_owned(), "productpage.bookinfo:9080".to_owned()];
        assert_eq!(
            files.command_line(&why, None),
            r"meshscope why -f mesh/ -f 'it'\''s here' -i root productpage.bookinfo:9080"
        );
        let demo = Source { name: "demo".into(), given: Given::Demo, flags: Vec::new() };
        assert_eq!(demo.command_line(&why, None), "meshscope demo why productpage.bookinfo:9080");
        let logs = ["logs".to_owned(), "--where".to_owned(), "code>=500".to_owned()];
        assert_eq!(demo.command_line(&logs, Some("web")), "meshscope demo logs -n web --where 'code>=500'");
    }
}
