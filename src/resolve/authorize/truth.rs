//! What can be told of a question about a request of which not everything is known.

/// Whether something holds. The order is that of `min` for *and*, `max` for *or*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It does not.
    No,
    /// Something that is not known decides.
    Unknown,
    /// It does.
    Yes,
}

impl Truth {
    /// Whether all hold; of none, they do.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::Yes;
        for part in parts {
            if part == Self::No {
                return Self::No;
            }
            found = found.min(part);
        }
        found
    }

    /// Whether any holds; of none, none does.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::No;
        for part in parts {
            if part == Self::Yes {
                return Self::Yes;
            }
            found = found.max(part);
        }
        found
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{No, Unknown, Yes};
    use super::*;

    #[test]
    fn what_is_not_known_decides_only_where_the_rest_does_not() {
        assert_eq!(Truth::all([Yes, Unknown, No]), No);
        assert_eq!(Truth::all([Yes, Unknown]), Unknown);
        assert_eq!(Truth::any([No, Unknown, Yes]), Yes);
        assert_eq!(Truth::any([No, Unknown]), Unknown);
        assert_eq!((Truth::all([]), Truth::any([]), Unknown.negated()), (Yes, No, Unknown));
    }
}
