//! Bad input: a clear message or finding, never a panic, nothing raw on the terminal, and the rest is read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Ran, copy_of, fixture, meshscope, meshscope_with};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: x}\nspec:\n  ports: [{port: 80, name: http}]\n";

/// Runs `check` on one file with this content.
fn check(name: &str, content: &[u8]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let ran = meshscope(folder.path(), &["check", "-f", name]);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    for byte in ran.out.bytes().chain(ran.err.bytes()) {
        assert!(byte == b'\n' || byte >= 0x20 && byte != 0x7f, "a raw control character was written");
    }
    ran
}

#[test]
fn paths_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = meshscope(folder.path(), &["check", "-f", "missing"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot read missing"), "{}", ran.err);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let ran = meshscope(folder.path(), &["check", "-f", "empty"]);
    assert_eq!(ran.code, 65);
    assert!(ran.err.contains("nothing in empty could be read"), "{}", ran.err);
    assert_eq!(meshscope(folder.path(), &["check"]).code, 64);
    assert_eq!(meshscope(folder.path(), &["check", "--no-such-flag"]).code, 64);
    assert_eq!(meshscope(folder.path(), &["check", "--log", "nonsense", "-f", "x"]).code, 64);
    for log in ["a/b/c/d=x.log", "a=x.log", "a/=x.log", "a/b/=x.log", "a/b/c="] {
        let ran = meshscope(folder.path(), &["logs", "--log", log]);
        assert_eq!(ran.code, 64, "{log}: {}", ran.err);
        assert!(ran.err.contains(&format!("--log {log}: expected NS/POD[/CONTAINER]=PATH")), "{}", ran.err);
    }
}

#[test]
fn a_folder_without_permission_costs_only_itself() {
    let copy = copy_of("mtls/sound");
    let closed = copy.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let may_read_all = fs::read_dir(&closed).is_ok();
    let ran = meshscope(copy.path(), &["check", "-f", "."]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("2 pairs"));
    // The superuser may read everything, so there is nothing to say then.
    assert!(may_read_all || ran.err.contains("closed"), "{}", ran.err);
}

#[test]
fn binary_and_foreign_files_are_said_and_left_out() {
    let ran = check("x.bin", b"\x7fELF\x00\x00\x01");
    assert_eq!(ran.code, 65);
    assert!(ran.err.contains("binary"), "{}", ran.err);
    let ran = check("notes.txt", b"nothing of interest\n");
    assert_eq!(ran.code, 65);
    let copy = copy_of("mtls/sound");
    fs::write(copy.path().join("notes.txt"), "nothing of interest\n").unwrap();
    fs::write(copy.path().join("logo.png"), b"\x89PNG\r\n\x1a\n\x00\x00").unwrap();
    let ran = meshscope(copy.path(), &["check", "-f", "."]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("notes.txt") && ran.err.contains("logo.png"), "{}", ran.err);
}

#[test]
fn one_broken_document_among_good_ones_costs_only_itself() {
    let broken = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: b\n  namespace: x\nspec:\n  host: \"unclosed\n   tls: [\n";
    let ran = check(
        "mesh.yaml",
        format!("{SERVICE}---\n{broken}---\n{}", SERVICE.replace("name: a", "name: c")).as_bytes(),
    );
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("mesh.yaml:"), "{}", ran.err);
    assert!(ran.out.contains("MS0902") && ran.out.contains("DestinationRule x/b"), "{}", ran.out);
    assert!(ran.out.contains("2 Service"), "{}", ran.out);
}

#[test]
fn a_text_that_is_cut_off_anywhere_is_read_as_far_as_it_goes() {
    let whole = fs::read_to_string(fixture("mtls/bookinfo-2019/mesh.yaml")).unwrap();
    for end in [1, 300, 900, 1500, 2222, 3000, 4444] {
        let ran = check("mesh.yaml", &whole.as_bytes()[..end]);
        assert!([0, 65, 79].contains(&ran.code), "exit {} at {end}: {}", ran.code, ran.err);
    }
    let json = b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"},\"spec\":{}},{\"apiVersion\":\"v1\",";
    let ran = check("list.json", json);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("cut off") && ran.out.contains("1 Service"), "{}{}", ran.err, ran.out);
}

#[test]
fn a_bomb_of_aliases_is_refused_and_not_blown_up() {
    let mut bomb = String::from(
        "apiVersion: v1\nkind: Service\nmetadata: {name: bomb, namespace: x}\na0: &a0 [x,x,x,x,x,x,x,x,x]\n",
    );
    for level in 1..12 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 9].join(",");
        bomb = format!("{bomb}a{level}: &a{level} [{items}]\n");
    }
    let ran = check("bomb.yaml", format!("{SERVICE}---\n{bomb}").as_bytes());
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("Service x/bomb"), "{}", ran.err);
}

#[test]
fn line_ends_byte_order_marks_and_tabs() {
    let ran = check("crlf.yaml", SERVICE.replace('\n', "\r\n").as_bytes());
    assert!(ran.code == 0 && ran.out.contains("1 Service"), "{}", ran.err);
    let ran = check("bom.yaml", [b"\xef\xbb\xbf", SERVICE.as_bytes()].concat().as_slice());
    assert!(ran.code == 0 && ran.out.contains("1 Service"), "{}", ran.err);
    let ran =
        check("tabs.yaml", format!("{SERVICE}---\n{}", SERVICE.replace("  ports", "\tports")).as_bytes());
    assert!(ran.code == 0 && ran.err.contains("tabs.yaml:"), "{}", ran.err);
}

/// A text as UTF-16, low or high byte first.
fn utf_16(text: &str, low_first: bool) -> Vec<u8> {
    let bytes = |unit: u16| if low_first { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn utf_16_is_read_where_its_mark_tells_so_and_named_where_none_does() {
    // Long enough to go over the part that is looked at first, with a letter of two units.
    let comment = format!("# {}\u{1f600}\n", "x".repeat(70_000));
    for low_first in [true, false] {
        let marked = utf_16(
            &format!("\u{feff}{SERVICE}---\n{comment}{}", SERVICE.replace("name: a", "name: b")),
            low_first,
        );
        let ran = check("wide.yaml", &marked);
        assert!(
            ran.code == 0 && ran.out.contains("2 Service") && ran.err.is_empty(),
            "{}{}",
            ran.err,
            ran.out
        );
        let ran = check("wide.yaml", &utf_16(SERVICE, low_first));
        let encoding = if low_first { "UTF-16LE" } else { "UTF-16BE" };
        assert_eq!(ran.code, 65);
        assert!(ran.err.contains(&format!("iconv -f {encoding} -t UTF-8")), "{}", ran.err);
    }
    let line = "[2026-03-02T09:00:00.101Z] \"GET /x HTTP/1.1\" 200 - via_upstream - \"-\" 0 1 2 1 \"-\" \"a\" \"id\" \"a.x\" \"10.0.0.1:80\" outbound|80||a.x.svc.cluster.local 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 - default\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.log"), utf_16(&format!("\u{feff}{line}"), true)).unwrap();
    let ran = meshscope(folder.path(), &["logs", "-f", "a.log", "-o", "json"]);
    assert_eq!(ran.json()["lines"]["parsed"], 1);
}

#[test]
fn a_field_of_a_wrong_type_is_named_with_its_line() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: x\nspec:\n  containers: [{name: a, args: 7}]\n";
    let ran = check("mesh.yaml", format!("{SERVICE}---\n{pod}").as_bytes());
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("Pod x/p: spec.containers[0].args"), "{}", ran.err);
    assert!(ran.err.contains("mesh.yaml:13"), "{}", ran.err);
    assert!(ran.out.contains("MS0902"), "{}", ran.out);
}

#[test]
fn hostile_names_never_reach_the_terminal_raw() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: \"a\\e[31mb\\u202e\", namespace: x}\nspec: {host: \"\\e]0;owned\\a\", unknown: 1}\n";
    let ran = check("mesh.yaml", format!("{SERVICE}---\n{rule}").as_bytes());
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("a␛[31mb<U+202E>"), "{}", ran.out);
}

#[test]
fn log_lines_of_any_length_and_content_are_counted() {
    let good = "[2026-03-02T09:00:00.101Z] \"GET /x HTTP/1.1\" 200 - via_upstream - \"-\" 0 1 2 1 \"-\" \"\x1b[31mred\" \"id\" \"a.x\" \"10.0.0.1:80\" outbound|80||a.x.svc.cluster.local 10.0.0.2:1 10.0.0.3:80 10.0.0.2:2 - default";
    let long = "x".repeat(1_000_000);
    let text = [good.as_bytes(), b"\n", long.as_bytes(), b"\n\xff\xfe\n", good.as_bytes()].concat();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.log"), text).unwrap();
    let ran = meshscope(folder.path(), &["logs", "-f", "a.log", "-o", "json"]);
    assert_eq!(ran.code, 0);
    let lines = &ran.json()["lines"];
    assert_eq!((&lines["read"], &lines["parsed"], &lines["other"]), (&4.into(), &2.into(), &2.into()));
}

#[test]
fn standard_input_is_read_and_named_once_only() {
    let file = fs::File::open(fixture("mtls/bookinfo-2019/mesh.yaml")).unwrap();
    let ran = meshscope_with(&fixture(""), &["check", "-f", "-"], Stdio::from(file));
    assert_eq!(ran.code, 79);
    assert!(ran.out.contains("-:116"), "{}", ran.out);
    assert_eq!(meshscope(&fixture(""), &["check", "-f", "-", "-f", "-"]).code, 64);
}

#[test]
fn a_pipe_that_is_closed_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_meshscope"))
        .args(["check", "-f", "."])
        .current_dir(fixture("mtls/bookinfo-2019"))
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(!messages.contains("ipe"), "{messages}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn colours_are_written_only_when_asked_for() {
    let folder = fixture("mtls/bookinfo-2019");
    assert!(!meshscope(&folder, &["check", "-f", "."]).out.contains('\x1b'));
    assert!(meshscope(&folder, &["check", "-f", ".", "--color", "always"]).out.contains("\x1b["));
}
