//! The rows of `tls-check --legacy-format`, as istioctl laid them out: columns as wide as their widest cell, five spaces
//! apart, and no colours.

use std::io::{self, Write};

use super::Report;
use super::table::{self, Cell, Style};
use crate::answer::legacy_tls_check::{LegacyTlsCheck, Row};

impl Report for LegacyTlsCheck {
    fn table(&self, out: &mut dyn Write, _: Style, _: bool) -> io::Result<()> {
        let head = ["HOST:PORT", "STATUS", "SERVER", "CLIENT", "AUTHN POLICY", "DESTINATION RULE"];
        let rows: Vec<_> = self.rows.iter().map(cells).collect();
        table::write(out, Style { colours: false, columns: None }, 5, &head, &rows)
    }

    fn items(&self) -> Vec<serde_json::Value> {
        super::documents("LegacyTlsCheckRow", &self.rows)
    }

    fn names(&self) -> Vec<String> {
        self.rows.iter().map(place).collect()
    }
}

fn place(row: &Row) -> String {
    format!("{}:{}", row.host, row.port)
}

fn cells(row: &Row) -> Vec<Cell> {
    let words = [&row.status, &row.server, &row.client, &row.authentication_policy, &row.destination_rule];
    std::iter::once(place(row)).chain(words.into_iter().cloned()).map(Cell::plain).collect()
}
