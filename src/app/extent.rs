//! The size of the picture and of its parts. The screens scroll by it and the picture is laid out by it, so that the
//! two cannot disagree.

/// The smallest picture that is drawn.
pub const SMALLEST: (u16, u16) = (60, 15);

/// How large the picture is and which parts it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Cells across.
    pub width: u16,
    /// Cells down.
    pub height: u16,
    /// Whether the header is shown.
    pub header: bool,
}

impl Extent {
    /// A picture of that size, with header.
    pub fn new(width: u16, height: u16) -> Self {
        Self { width, height, header: true }
    }

    /// Rows above the body: the header, the title, a rule.
    pub fn above(self) -> u16 {
        2 + u16::from(self.header)
    }

    /// Rows below the body: a rule, so many lines for messages, the hints.
    pub fn below(message_lines: u16) -> u16 {
        2 + message_lines
    }

    /// Rows of the body.
    pub fn body(self, message_lines: u16) -> usize {
        usize::from(self.height.saturating_sub(self.above() + Self::below(message_lines)))
    }

    /// Cells across as a number of characters.
    pub fn columns(self) -> usize {
        usize::from(self.width)
    }
}
