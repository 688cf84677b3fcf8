//! The rules of authorization: a line for each workload, and its rules below it.

use ratatui::layout::Rect;

use crate::answer::authz::hits::Hit;
use crate::answer::authz::list::RuleRow;
use crate::answer::authz::workloads::AuthzWorkload;
use crate::app::App;
use crate::app::page::Tone;
use crate::app::screen::authz_rules::{AuthzRules, Shown, action, remark};
use crate::app::wording::{clock, count, hits, thousands};
use crate::ui::widget::lines::draw_empty;
use crate::ui::widget::pen::Pen;
use crate::ui::widget::table::{self, Column, number, rest, text};

/// From this width on there is room to say why a policy is for the workload and what its rules ask.
const ROOMY: u16 = 110;
/// No name is longer.
const WIDEST: u16 = 253;

/// Draws the rows in sight.
pub fn draw(app: &App, screen: &AuthzRules, area: Rect, pen: &mut Pen<'_>) {
    let context = app.context();
    let listing = screen.listing();
    if listing.is_empty() {
        return draw_empty(&screen.empty(&context), area, pen);
    }
    let columns = columns(screen, area.width, context.wide);
    table::draw_head(&columns, area, pen);
    let rows = listing.in_sight(usize::from(area.height.saturating_sub(1)));
    for (y, (row, selected)) in (area.y + 1..area.bottom()).zip(rows) {
        let place = Rect { y, height: 1, ..area };
        match screen.shown(row) {
            Some(Shown::Workload(workload)) => draw_workload(workload, place, pen),
            Some(Shown::Rule(rule, counters)) => {
                table::draw_row(&columns, cells_of(rule, counters, context.wide), place, pen);
            }
            None => {}
        }
        if selected {
            pen.select(place);
        }
    }
}

fn columns(screen: &AuthzRules, width: u16, wide: bool) -> Vec<Column> {
    let widest = screen.widest();
    let cells = |wanted: usize, least: u16, most: u16| {
        let most = if wide { WIDEST } else { most.max(least) };
        u16::try_from(wanted).unwrap_or(u16::MAX).clamp(least, most)
    };
    let mut columns = vec![
        number("NUM", 4),
        number("HITS", cells(widest.number, 5, 9)),
        number("DENIED", cells(widest.number, 6, 9)),
        text("LAST", if wide { cells(widest.last, 8, 24) } else { 8 }),
        text("ACTION", cells(widest.action, 6, 15)),
    ];
    let is_roomy = wide || width >= ROOMY;
    let room = rest(width, &columns).saturating_sub(6);
    let policy = cells(widest.policy, 6, if is_roomy { room / 3 } else { room });
    columns.extend([text("POLICY", policy), number("RULE", 4)]);
    if is_roomy {
        columns.push(text("BY", cells(widest.by, 2, width / 8)));
        columns.push(text("TEXT", rest(width, &columns)));
    }
    columns
}

fn cells_of(rule: &RuleRow, hit: Option<&Hit>, wide: bool) -> Vec<(Tone, String)> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), thousands);
    let last = hit.and_then(|hit| hit.last.as_deref()).map(|last| if wide { last } else { clock(last) });
    let of_action = match rule.action.as_str() {
        _ if rule.dry_run => Tone::Dim,
        "DENY" => Tone::Error,
        "ALLOW" => Tone::Good,
        _ => Tone::Info,
    };
    let refused = if hit.is_some_and(|hit| hit.denials > 0) { Tone::Error } else { Tone::Plain };
    vec![
        (Tone::Dim, rule.order.to_string()),
        (Tone::Plain, hit.map_or_else(|| "-".to_owned(), |hit| hits(hit.hits, hit.maybe))),
        (refused, number(hit.map(|hit| hit.denials))),
        (Tone::Plain, last.unwrap_or("-").to_owned()),
        (of_action, action(rule)),
        (Tone::Plain, rule.policy.path()),
        (Tone::Plain, rule.rule.map_or_else(|| "-".to_owned(), |number| number.to_string())),
        (Tone::Dim, rule.attached_by.clone()),
        (Tone::Plain, rule.text.clone()),
    ]
}

fn draw_workload(workload: &AuthzWorkload, row: Rect, pen: &mut Pen<'_>) {
    let kind = workload.workload.kind.clone().unwrap_or_default();
    // A template stands for pods that are not there yet.
    let pods = if workload.names.is_empty() { String::new() } else { count(workload.pods as u64, "pod") };
    let kind = if kind == "Pod" { kind } else { [kind, pods].join(" ").trim().to_owned() };
    let parts = [
        (Tone::Strong, workload.workload.path()),
        (Tone::Dim, kind),
        (Tone::Dim, workload.list.engine.to_owned()),
        remark(workload),
    ];
    let mut x = row.x + 1;
    for (tone, text) in parts {
        let written = pen.write(x, row.y, row.right().saturating_sub(x), tone, &text);
        x = x.saturating_add(written).saturating_add(if written == 0 { 0 } else { 2 });
    }
}
