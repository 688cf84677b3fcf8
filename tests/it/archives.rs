//! Packed files and archives give what the files in them give, and never more than they hold.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Ran, fixture, meshscope, meshscope_with};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The files of a folder by their paths in it, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The report without the names of files.
fn report(ran: &Ran, prefix: &str) -> String {
    assert!(matches!(ran.code, 0 | 79), "{} {}", ran.code, ran.err);
    assert!(!ran.err.contains("cannot"), "{}", ran.err);
    ran.out.replace(prefix, "")
}

/// A mesh with its logs.
fn mesh() -> Vec<(String, Vec<u8>)> {
    let found = files(&fixture("mtls/mode-missing-both-logs"));
    assert!(found.iter().any(|(name, _)| name.contains("logs/")), "the fixture has logs");
    found
}

#[test]
fn every_archive_gives_what_its_files_give() {
    let files = mesh();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &files {
        let path = folder.path().join("mesh").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let bare = meshscope(folder.path(), &["check", "-o", "json", "-f", "mesh"]);
    let wanted = report(&bare, "mesh/");
    assert!(wanted.contains("MS0101") && wanted.contains(".log"), "{wanted}");
    let tar = tar(&files);
    let archives = [
        ("mesh.zip", zip(&files)),
        ("mesh.tar.gz", gzip(&tar)),
        ("mesh.tar.zst", zstd::encode_all(tar.as_slice(), 1).unwrap()),
        // The name says nothing.
        ("mesh.log", tar),
    ];
    for (name, bytes) in archives {
        fs::write(folder.path().join(name), &bytes).unwrap();
        let ran = meshscope(folder.path(), &["check", "-o", "json", "-f", name]);
        assert_eq!(ran.code, bare.code, "{name}");
        assert_eq!(report(&ran, &format!("{name}!")), wanted, "{name}");
        let input = fs::File::open(folder.path().join(name)).unwrap();
        let ran = meshscope_with(folder.path(), &["check", "-o", "json", "-f", "-"], input);
        assert_eq!(report(&ran, "-!"), wanted, "{name} through a pipe");
    }
}

#[test]
fn packed_files_of_a_folder_are_read_like_plain_ones() {
    let files = mesh();
    let folder = tempfile::tempdir().unwrap();
    for (at, (name, text)) in files.iter().enumerate() {
        let name = if name.contains("logs/") { format!("{name}.2.gz") } else { name.clone() };
        let path = folder.path().join("mesh").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Programs that append to a packed file make two packed texts of it.
        let (first, second) = text.split_at(text.len() / 2);
        let packed = if at % 2 == 0 { [gzip(first), gzip(second)].concat() } else { gzip(text) };
        fs::write(path, packed).unwrap();
    }
    let ran = meshscope(folder.path(), &["check", "-o", "json", "-f", "mesh"]);
    let bare = meshscope(&fixture("mtls"), &["check", "-o", "json", "-f", "mode-missing-both-logs"]);
    let wanted = report(&bare, "mode-missing-both-logs/");
    assert_eq!(report(&ran, "mesh/").replace(".log.2.gz", ".log"), wanted);
}

fn line(number: u32) -> String {
    format!(
        "[2026-03-02T09:00:{:02}.101Z] \"GET /{number} HTTP/1.1\" 200 - via_upstream - \"-\" 0 91 12 11 \"-\" \"curl\" \
         \"id-{number}\" \"cart\" \"10.8.1.8:80\" outbound|80||cart.shop.svc.cluster.local 10.8.1.9:4 10.9.0.1:80 \
         10.8.1.9:5 - default\n",
        number % 60
    )
}

#[test]
fn a_packed_log_that_is_cut_off_keeps_its_lines_and_says_how_far_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..3000).map(line).collect();
    let packed = gzip(text.as_bytes());
    let half = packed.get(..packed.len() / 2).unwrap();
    fs::write(folder.path().join("access.log.gz"), half).unwrap();
    let in_archive = tar(&[("shop/cart-6b88d69f-xxfkn.log.gz".to_owned(), half.to_vec())]);
    fs::write(folder.path().join("logs.tar"), in_archive).unwrap();
    for (file, name) in
        [("access.log.gz", "access.log.gz"), ("logs.tar", "logs.tar!shop/cart-6b88d69f-xxfkn.log.gz")]
    {
        let ran = meshscope(folder.path(), &["logs", "-o", "json", "-f", file]);
        assert_eq!(ran.code, 0);
        let read = ran.json()["lines"]["parsed"].as_u64().unwrap();
        assert!((1000..2500).contains(&read), "{read}");
        // The line in which it breaks off may count or not.
        let wanted = [read, read + 1]
            .map(|line| format!("{name}:{line}: cannot be read any further: the packed text is cut off"));
        assert!(wanted.iter().any(|wanted| ran.err.contains(wanted)), "{} {wanted:?}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "said once: {}", ran.err);
    }
}

#[test]
fn the_pod_of_a_line_is_told_by_the_path_in_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let archive = tar(&[("bug-report/shop/cart-6b88d69f-xxfkn.log".to_owned(), line(1).into_bytes())]);
    fs::write(folder.path().join("logs.tgz"), gzip(&archive)).unwrap();
    let ran = meshscope(folder.path(), &["logs", "-o", "ndjson", "-f", "logs.tgz"]);
    assert_eq!(ran.json()["pod"], "shop/cart-6b88d69f-xxfkn");
    let ran = meshscope(folder.path(), &["logs", "-o", "ndjson", "--log", "web/client=logs.tgz"]);
    assert_eq!(ran.json()["pod"], "web/client");
}

/// How many bytes a process may have is told to it in this way on Linux only.
#[cfg(target_os = "linux")]
#[test]
fn what_is_unpacked_to_very_much_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    // More of each than the process may have: a line without end, and one string of JSON.
    for (name, begin, code) in [
        ("endless.log.gz", line(1), 0),
        ("endless.json.gz", "{\"apiVersion\":\"v1\",\"kind\":\"".to_owned(), 65),
    ] {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(begin.as_bytes()).unwrap();
        let block = vec![b'x'; 1 << 20];
        (0..600).for_each(|_| packed.write_all(&block).unwrap());
        fs::write(folder.path().join(name), packed.finish().unwrap()).unwrap();
        let run = format!("ulimit -d 450000; exec {} logs -f {name}", env!("CARGO_BIN_EXE_meshscope"));
        let run =
            std::process::Command::new("sh").args(["-c", &run]).current_dir(folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(code), "{name}: {told}");
        assert!(code == 0 || told.contains("is longer than any object, and is refused"), "{told}");
    }
}

#[test]
fn what_is_no_archive_after_all_and_what_is_not_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let whole = zip(&[("a.log".to_owned(), line(1).into_bytes())]);
    let half = whole.get(..whole.len() / 2).unwrap().to_vec();
    let mut sparse = tar::Header::new_gnu();
    sparse.set_entry_type(tar::EntryType::GNUSparse);
    sparse.set_path("holes.log").unwrap();
    sparse.set_size(0);
    sparse.set_cksum();
    let nothing = tar(&[("README".to_owned(), b"nothing here".to_vec())]);
    let cases = [
        ("half.zip", half, "half.zip:1: cannot be read as zip"),
        ("log.xz", b"\xfd7zXZ\0rest".to_vec(), "is packed as xz, and it was not read: xz -d unpacks it"),
        ("holes.tar", sparse.as_bytes().to_vec(), "holes.tar!holes.log:1: is stored with holes"),
        ("nothing.tar", nothing, "nothing in nothing.tar could be read"),
        ("damaged.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\0not deflated".to_vec(), "the packed text is damaged"),
    ];
    for (name, bytes, wanted) in cases {
        fs::write(folder.path().join(name), bytes).unwrap();
        let ran = meshscope(folder.path(), &["logs", "-f", name]);
        assert!(matches!(ran.code, 1 | 65), "{name}: {} {}", ran.code, ran.err);
        assert!(ran.err.contains(wanted), "{name}: {}", ran.err);
    }
    // Among others it costs only itself.
    fs::write(folder.path().join("good.log"), line(1)).unwrap();
    let ran = meshscope_with(folder.path(), &["logs", "-o", "json", "-f", "."], Stdio::null());
    assert_eq!((ran.code, ran.json()["lines"]["parsed"].as_u64()), (0, Some(1)), "{}", ran.err);
    assert!(ran.err.contains("damaged.gz") && ran.err.contains("half.zip"), "{}", ran.err);
}
