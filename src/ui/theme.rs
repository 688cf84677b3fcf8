//! Colours and symbols, and what stands for them where the terminal has none.

use ratatui::style::{Color, Modifier, Style};

use crate::app::page::Tone;

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colours {
    /// 24 bits.
    True,
    /// 256.
    Indexed,
    /// 16.
    Basic,
    /// None: bold and reversed text only.
    #[default]
    None,
}

/// Colours and symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    colours: Colours,
    unicode: bool,
}

impl Theme {
    /// A theme for a terminal.
    pub fn new(colours: Colours, unicode: bool) -> Self {
        Self { colours, unicode }
    }

    /// The looks of a text. Red, yellow and blue say how grave something is and nothing else.
    pub fn style(&self, tone: Tone) -> Style {
        let style = Style::new();
        let coloured = |colours: [Color; 3]| match self.pick(colours) {
            Some(colour) => style.fg(colour),
            None => style,
        };
        match tone {
            // What is well needs no colour: those are kept for what is not.
            Tone::Plain | Tone::Good => style,
            Tone::Dim => match self.colours {
                Colours::True | Colours::Indexed | Colours::Basic => {
                    coloured([Color::Rgb(0x8a, 0x8f, 0x98), Color::Indexed(245), Color::DarkGray])
                }
                Colours::None => style.add_modifier(Modifier::DIM),
            },
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Error => coloured([Color::Rgb(0xf2, 0x6d, 0x6d), Color::Indexed(203), Color::Red])
                .add_modifier(Modifier::BOLD),
            Tone::Warning => coloured([Color::Rgb(0xe5, 0xc0, 0x5c), Color::Indexed(179), Color::Yellow]),
            Tone::Info => coloured([Color::Rgb(0x6c, 0xa8, 0xf0), Color::Indexed(75), Color::Blue]),
        }
    }

    /// The looks of what is selected, over those of its text.
    pub fn selected(&self) -> Style {
        match self.pick([Color::Rgb(0x2b, 0x33, 0x3f), Color::Indexed(237), Color::Reset]) {
            Some(Color::Reset) | None => Style::new().add_modifier(Modifier::BOLD),
            Some(colour) => Style::new().bg(colour),
        }
    }

    /// The looks of the bar beside what is selected: the one accent.
    pub fn accent(&self) -> Style {
        match self.pick([Color::Rgb(0x4f, 0xc1, 0xb0), Color::Indexed(79), Color::Cyan]) {
            Some(colour) => Style::new().fg(colour).add_modifier(Modifier::BOLD),
            None => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    fn pick(self, [rgb, indexed, basic]: [Color; 3]) -> Option<Color> {
        match self.colours {
            Colours::True => Some(rgb),
            Colours::Indexed => Some(indexed),
            Colours::Basic => Some(basic),
            Colours::None => None,
        }
    }

    /// The text as the terminal can show it: one ASCII character for each that it has not.
    pub fn plain<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.unicode || text.is_ascii() {
            return text.into();
        }
        text.chars().map(|one| if one.is_ascii() { one } else { ascii(one) }).collect::<String>().into()
    }
}

fn ascii(one: char) -> char {
    match one {
        '✖' | '×' => 'x',
        '▲' => '!',
        '●' | '·' => '*',
        '─' | '✕' | '–' => '-',
        '▌' | '→' | '›' => '>',
        '✔' => '+',
        '…' => '~',
        '↵' => '<',
        // The bars of a histogram are digits.
        '▁'..='█' => char::from_digit(u32::from(one) - u32::from('▁') + 1, 10).unwrap_or('?'),
        _ => '?',
    }
}

/// The symbol and tone of a severity, which is a word besides.
pub fn severity(word: &str) -> (&'static str, Tone) {
    match word {
        "error" => ("✖", Tone::Error),
        "warning" => ("▲", Tone::Warning),
        _ => ("●", Tone::Info),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_unicode_nothing_but_ascii_is_sent() {
        let theme = Theme::new(Colours::None, false);
        assert_eq!(theme.plain("✖ a → b … größe ▲ ● ─ ▁▄█"), "x a > b ~ gr??e ! * - 148");
        assert_eq!(Theme::new(Colours::None, true).plain("✖"), "✖");
    }

    #[test]
    fn without_colours_no_colour_is_set() {
        let theme = Theme::new(Colours::None, true);
        for tone in [Tone::Plain, Tone::Dim, Tone::Strong, Tone::Error, Tone::Warning, Tone::Info, Tone::Good]
        {
            assert_eq!((theme.style(tone).fg, theme.style(tone).bg), (None, None));
        }
        assert_eq!((theme.selected().bg, theme.accent().fg), (None, None));
    }
}
