//! The table of `tls-check`: the columns of the old `istioctl authn tls-check`, in its order.

use std::io::{self, Write};

use super::Report;
use super::table::{self, Cell, Style, Tone};
use crate::answer::tls_check::{Row, TlsCheck};

impl Report for TlsCheck {
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        let mut head = vec!["HOST:PORT", "STATUS", "SERVER", "CLIENT", "AUTHN POLICY", "DESTINATION RULE"];
        if wide {
            head.extend(["CLIENTS", "LEVEL", "ENDPOINTS"]);
        }
        let mut rows: Vec<_> = self.rows.iter().map(|row| cells(row, wide)).collect();
        // Answers that differ only in what these columns do not show are one line.
        rows.dedup();
        table::write(out, style, 5, &head, &rows)?;
        let faults = self.rows.iter().filter(|row| row.status != "OK");
        let mut told = Vec::new();
        for row in faults {
            let line = (
                row.status.as_str(),
                row.host.as_str(),
                row.port,
                row.subset.as_deref(),
                row.reason.as_str(),
            );
            if told.contains(&line) {
                continue;
            }
            told.push(line);
            if told.len() == 1 {
                writeln!(out)?;
            }
            let status = style.paint(&row.status, Tone::of(&row.status));
            writeln!(
                out,
                "{status} {}: {}",
                style.paint(&host(row), Tone::Plain),
                style.paint(&row.reason, Tone::Plain)
            )?;
        }
        Ok(())
    }

    fn items(&self) -> Vec<serde_json::Value> {
        super::documents("TlsCheckRow", &self.rows)
    }

    fn names(&self) -> Vec<String> {
        self.rows.iter().map(host).collect()
    }
}

/// `HOST:PORT`, and behind a bar the subset, as istioctl 1.4 wrote it.
fn host(row: &Row) -> String {
    match &row.subset {
        Some(subset) => format!("{}:{}|{subset}", row.host, row.port),
        None => format!("{}:{}", row.host, row.port),
    }
}

fn cells(row: &Row, wide: bool) -> Vec<Cell> {
    let dash = || "-".to_owned();
    let sent = if row.client_tls.mode == "UNSET" || row.client_tls.source == "no-proxy" {
        row.client_tls.effective.clone()
    } else {
        row.client_tls.mode.clone()
    };
    let mut cells = vec![
        Cell::plain(host(row)),
        Cell::toned(&row.status, Tone::of(&row.status)),
        Cell::plain(&row.server.mode),
        Cell::plain(sent),
        Cell::plain(
            row.server.policy.as_ref().map_or_else(dash, super::super::answer::common::ObjectRef::path),
        ),
        Cell::plain(row.destination_rule.as_ref().map_or_else(dash, |rule| rule.object.path())),
    ];
    if wide {
        let clients = match &row.client {
            Some(client) => client.path(),
            None => format!("{} clients", row.clients.count),
        };
        let ready = row.endpoints.iter().filter(|endpoint| endpoint.ready != Some(false)).count();
        cells.push(Cell::plain(clients));
        cells.push(Cell::plain(row.destination_rule.as_ref().map_or_else(dash, |rule| rule.level.clone())));
        cells.push(Cell::plain(format!("{ready}/{}", row.endpoints.len())));
    }
    cells
}
