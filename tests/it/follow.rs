//! `logs --follow` on files that grow, are rotated, emptied and removed, and on standard input.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::meshscope;

fn line(number: u32) -> String {
    format!(
        "[2026-03-02T09:00:{:02}.101Z] \"GET /{number} HTTP/1.1\" {} - via_upstream - \"-\" 0 91 12 11 \"-\" \"curl\" \
         \"id-{number}\" \"cart\" \"10.8.1.8:80\" outbound|80||cart.shop.svc.cluster.local 10.8.1.9:4 10.9.0.1:80 \
         10.8.1.9:5 - default\n",
        number % 60,
        if number.is_multiple_of(2) { 200 } else { 503 }
    )
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The program at work.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn new(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_meshscope"))
            .args(arguments)
            .current_dir(folder)
            .env("XDG_CONFIG_HOME", folder.join(".config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Waits for the next line.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// Waits for the next record: its path.
    fn next_path(&mut self) -> String {
        let record: serde_json::Value = serde_json::from_str(&self.next()).unwrap();
        record["path"].as_str().unwrap().to_owned()
    }

    /// Ends it as ctrl-c does: the code, what else it wrote, and its messages.
    fn interrupt(mut self) -> (i32, String, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), out, err)
    }
}

#[test]
fn records_come_as_lines_do_whatever_becomes_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    append(&path, &line(1));
    let mut running = Running::new(folder.path(), &["logs", "--follow", "-o", "ndjson", "-f", "access.log"]);
    assert_eq!(running.next_path(), "/1");
    let (two, rest) = (line(2), line(3));
    let (begin, end) = rest.split_at(40);
    append(&path, &format!("{two}{begin}"));
    assert_eq!(running.next_path(), "/2");
    append(&path, end);
    assert_eq!(running.next_path(), "/3");
    fs::rename(&path, folder.path().join("access.log.1")).unwrap();
    append(&path, &line(4));
    assert_eq!(running.next_path(), "/4");
    append(&path, &line(5));
    assert_eq!(running.next_path(), "/5");
    fs::write(&path, line(6)).unwrap();
    assert_eq!(running.next_path(), "/6");
    let (code, out, err) = running.interrupt();
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    for said in ["access.log is another file now", "access.log was emptied"] {
        assert!(err.contains(&format!("{said}; it is read from its beginning")), "{err}");
    }
}

#[test]
fn as_a_table_lines_are_shown_as_written_and_the_table_comes_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs/shop");
    fs::create_dir_all(&logs).unwrap();
    let arguments = ["logs", "--follow", "-f", "logs", "--where", "code>=500"];
    let mut running = Running::new(folder.path(), &arguments);
    // Nothing is there yet. What a caller wrote does not reach the terminal as it is.
    append(
        &logs.join("cart-6b88d69f-xxfkn.log"),
        &[line(2), line(3).replace("curl", "\x1b[2Jcurl")].concat(),
    );
    let shown = running.next();
    assert!(shown.starts_with("shop/cart-6b88d69f-xxfkn: [2026-03-02T09:00:03.101Z]"), "{shown}");
    assert!(!shown.contains('\x1b') && shown.contains("curl"), "{shown}");
    append(&logs.join("pay-6b88d69f-k2x9p.log"), &line(5));
    assert!(running.next().starts_with("shop/pay-6b88d69f-k2x9p: "));
    let (code, out, err) = running.interrupt();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("3 lines read, 3 parsed"), "{out}");
}

#[test]
fn each_line_of_standard_input_is_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [["logs", "-o", "ndjson", "-f", "-"].as_slice(), &["logs", "-o", "ndjson", "-f", "-", "--follow"]]
    {
        let mut running = Running::new(folder.path(), arguments);
        let mut input = running.input();
        input.write_all(b"2026-03-02T08:59:59.000000Z\tinfo\tready\n").unwrap();
        for number in 1..4 {
            input.write_all(line(number).as_bytes()).unwrap();
            assert_eq!(running.next_path(), format!("/{number}"));
        }
        drop(input);
        assert_eq!(running.next(), "");
        assert!(running.child.wait().unwrap().success());
    }
}

#[test]
fn whoever_has_enough_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    append(&path, &line(1));
    let mut running = Running::new(folder.path(), &["logs", "--follow", "-f", "access.log"]);
    assert!(running.next().starts_with("access.log: [2026"));
    let Running { mut child, out } = running;
    drop(out);
    append(&path, &line(2));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_grow_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.log.zst"), zstd::encode_all(line(1).as_bytes(), 1).unwrap()).unwrap();
    let ran = meshscope(folder.path(), &["logs", "--follow", "-o", "ndjson", "-f", "a.log.zst"]);
    assert_eq!((ran.code, ran.json()["path"].as_str()), (0, Some("/1")), "{}", ran.err);
    let ran = meshscope(folder.path(), &["logs", "--follow", "-f", "missing.log"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}
