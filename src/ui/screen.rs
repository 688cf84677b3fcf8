//! The screens: how the body of each is drawn.

pub mod authz_rules;
pub mod causes;
pub mod findings;
pub mod log;
pub mod rules;
pub mod tls;

use ratatui::layout::Rect;

use super::widget::lines;
use super::widget::pen::Pen;
use crate::app::App;
use crate::app::screen::Screen;

/// Draws the body of the screen in front. Pages are drawn line by line, whatever they are about.
pub fn draw(app: &App, area: Rect, pen: &mut Pen<'_>) {
    match app.screen() {
        Screen::Findings(screen) => findings::draw(app, screen, area, pen),
        Screen::Tls(screen) => tls::draw(app, screen, area, pen),
        Screen::Rules(screen) => rules::draw(app, screen, area, pen),
        Screen::AuthzRules(screen) => authz_rules::draw(app, screen, area, pen),
        Screen::Causes(screen) => causes::draw(app, screen, area, pen),
        Screen::Log(screen) => log::draw(app, screen, area, pen),
        page @ (Screen::Why(_)
        | Screen::Object(_)
        | Screen::Cause(_)
        | Screen::Explain(_)
        | Screen::Fix(_)
        | Screen::Help(_)
        | Screen::Aliases(_)) => {
            if let Some(page) = page.page() {
                lines::draw(page, area, pen);
            }
        }
    }
}
