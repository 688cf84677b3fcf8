//! Every reader of lines on recorded lines in which bytes were changed, taken out, put in and mixed.
//!
//! The numbers come from a seed, so a run can be repeated. `MESHSCOPE_MUTATIONS=N` has N lines read in place of some
//! thousands, and `MESHSCOPE_LINES=FOLDER` takes lines from there too.

use std::path::PathBuf;

use meshscope::logs::guess::guess;
use meshscope::logs::{
    AccessLine, Aggregate, Block, Format, Formats, JsonFormat, LogFormat, Missing, OwnFormat, SourceName,
    Strictness, is_access_line, parse_json, parse_text, parse_ztunnel,
};
use serde_json::json;

use crate::support::{fixture, log_files};

const ISTIO: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
);

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % most.max(1)
    }
}

fn lines() -> Vec<Vec<u8>> {
    let mut folders = vec![fixture("logs"), fixture("causes"), fixture("mtls"), fixture("ztunnel")];
    folders.extend(std::env::var_os("MESHSCOPE_LINES").map(PathBuf::from));
    let mut found = Vec::new();
    for path in log_files(folders) {
        let text = std::fs::read(path).unwrap();
        found.extend(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    found.retain(|line| !line.is_empty() && line.len() < 4096);
    found.sort();
    found.dedup();
    found
}

const WORDS: [&[u8]; 24] = [
    b"\"",
    b" ",
    b"\" \"",
    b"-",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\t",
    b"\r",
    b"\0",
    b"\xff",
    b"\xe2\x80\xae",
    b"\x1b[31m",
    b"99999999999999999999",
    b"outbound|80||a.b",
    b" HTTP/1.1\" 503 UC ",
    b" 200 - via_upstream - \"-\" ",
    b"[2026-11-22T09:09:56.776Z] \"",
    b",\"response_code\":0",
    b":",
    b"null",
    b"...",
];

/// Whether text that was not the line's own came into it.
fn mutated(line: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) -> bool {
    let mut mixed = false;
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(line.len() + 1);
        let end = (at + 1 + numbers.below(40)).min(line.len());
        let what = numbers.below(7);
        mixed |= matches!(what, 2 | 3 | 5);
        match what {
            0 if at < line.len() => line[at] = u8::try_from(numbers.below(256)).unwrap(),
            1 => drop(line.drain(at..end.max(at))),
            2 => drop(line.splice(at..at, WORDS[numbers.below(WORDS.len())].iter().copied())),
            3 => {
                let part = line[at..end.max(at)].to_vec();
                let to = numbers.below(line.len() + 1);
                line.splice(to..to, part);
            }
            4 => line.truncate(at),
            5 => {
                let from = numbers.below(other.len() + 1);
                line.truncate(at);
                line.extend_from_slice(&other[from..]);
            }
            _ if at < line.len() => line[at] ^= 1 << numbers.below(8),
            _ => {}
        }
    }
    mixed
}

/// Every text is a part of the line that it was read from.
fn within(read: &AccessLine<'_>, line: &[u8]) {
    let range = line.as_ptr_range();
    for text in [
        read.start_time,
        read.method,
        read.path,
        read.protocol,
        read.response_flags,
        read.response_code_details,
        read.connection_termination_details,
        read.upstream_transport_failure_reason,
        read.x_forwarded_for,
        read.user_agent,
        read.request_id,
        read.authority,
        read.upstream_host,
        read.upstream_cluster,
        read.upstream_local_address,
        read.downstream_local_address,
        read.downstream_remote_address,
        read.requested_server_name,
        read.route_name,
    ]
    .into_iter()
    .flatten()
    .filter(|text| !matches!(*text, b"" | b"-"))
    {
        let part = text.as_ptr_range();
        assert!(range.start <= part.start && part.end <= range.end, "{}", line.escape_ascii());
    }
}

/// How many lines are read.
fn most() -> usize {
    let most = std::env::var("MESHSCOPE_MUTATIONS").ok().and_then(|number| number.parse().ok());
    most.unwrap_or(2000)
}

/// Blocks are read by other ways than lines one by one, and count the same.
#[test]
fn whatever_is_done_to_lines_blocks_of_them_count_what_lines_do() {
    const BLOCK: usize = 40;
    let lines = lines();
    let bars = ISTIO.replace("%UPSTREAM_CLUSTER% ", "").replace("\"%UPSTREAM_HOST%\"", "x%UPSTREAM_HOST%");
    let bars = format!("%RESPONSE_CODE% {bars} at %UPSTREAM_CLUSTER%");
    let text = |format: &str| OwnFormat::Text(LogFormat::compile(format, Strictness::Strict).unwrap());
    let formats = [
        Formats::default(),
        Formats::new([], Some(text(ISTIO))),
        Formats::new([(text(ISTIO), true)], None),
        Formats::new([(text(&bars), true)], None),
        Formats::new([(text(&bars), false)], Some(text(ISTIO))),
    ];
    let istio = LogFormat::compile(ISTIO, Strictness::Strict).unwrap();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut parsed = [0; 5];
    for turn in 0..most() / BLOCK {
        let mut text = Vec::new();
        for _ in 0..BLOCK {
            let mut line = lines[numbers.below(lines.len())].clone();
            // Some are in the format with its fields in another order.
            if let Some(read) = istio.read(&line).filter(|_| numbers.below(2) == 0) {
                let of = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or(b"-")).into_owned();
                let code = read.response_code.unwrap_or(0);
                let cluster = of(read.upstream_cluster);
                let host = of(read.upstream_host);
                let whole = String::from_utf8_lossy(&line).replacen(&format!("{cluster} "), "", 1);
                let moved = whole.replacen(&format!("\"{host}\""), &format!("x{host}"), 1);
                line = format!("{code} {moved} at {cluster}").into_bytes();
            }
            if numbers.below(3) == 0 {
                mutated(&mut line, &lines[numbers.below(lines.len())], &mut numbers);
            }
            text.extend(line.into_iter().filter(|byte| *byte != b'\n'));
            text.push(b'\n');
        }
        text.truncate(text.len() - numbers.below(2));
        let formats_of = turn % formats.len();
        let fresh = || {
            let mut logs = Aggregate::new();
            logs.use_formats(formats[formats_of].clone());
            let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
            (logs, source)
        };
        let (mut one, source) = fresh();
        let each = text.strip_suffix(b"\n").unwrap_or(&text).split(|byte| *byte == b'\n');
        for (number, line) in (1..).zip(each) {
            one.add_line(source, number, line);
        }
        let said = |logs: &Aggregate| format!("{:?} {:?}", logs.lines(), logs.groups().collect::<Vec<_>>());
        let (mut together, _) = fresh();
        let reader = together.block_reader(source);
        together.add_text(source, &reader, 1, &text);
        let (mut beside, _) = fresh();
        let reader = beside.block_reader(source);
        let mut block = reader.read(text.clone(), Block::default());
        beside.add_block(source, &reader, 1, &mut block);
        assert_eq!(said(&together), said(&one), "{formats_of} {}", text.escape_ascii());
        assert_eq!(said(&beside), said(&one), "{formats_of} {}", text.escape_ascii());
        parsed[formats_of] += one.lines().parsed;
    }
    assert!(parsed.iter().all(|parsed| *parsed > 50), "{parsed:?}");
    println!("{parsed:?} lines read by each of the formats");
}

#[test]
fn whatever_is_done_to_a_line_it_is_read_or_counted() {
    let most = most();
    let lines = lines();
    assert!(lines.len() > 300, "{}", lines.len());
    let text = |format: &str| LogFormat::compile(format, Strictness::Strict).unwrap();
    let formats = [
        text(ISTIO),
        text("%START_TIME(%s)% %REQ(A)% %RESPONSE_CODE% %RESPONSE_FLAGS_LONG% %ROUTE_NAME% %REQ(B):9%"),
        text("[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %REQ(A)%"),
    ];
    let object = JsonFormat::of(
        &json!({"start_time": "%START_TIME%", "response_code": "%RESPONSE_CODE%", "path": "%REQ(:PATH)%"}),
        Strictness::Strict,
        Missing::Nothing,
    );
    let [istio, epoch, short] = &formats;
    let configured = [OwnFormat::Text(short.clone()), OwnFormat::Object(object.unwrap())];
    let own = Formats::new(configured.map(|format| (format, true)), Some(OwnFormat::Text(epoch.clone())));
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let fresh = || {
        let mut logs = Aggregate::new();
        let source = logs.add_source(SourceName { file: "a.log".into(), pod: None });
        (logs, source)
    };
    let ((mut plain, source), (mut with_formats, _)) = (fresh(), fresh());
    with_formats.use_formats(own.clone());
    let (mut read, mut same) = (0, 0);
    for number in 1..=most {
        let mut line = lines[numbers.below(lines.len())].clone();
        let other = &lines[numbers.below(lines.len())];
        let mixed = mutated(&mut line, other, &mut numbers);
        let readings = [
            parse_text(&line),
            istio.read(&line),
            short.read(&line),
            guess(&line),
            own.read_configured(&line),
        ];
        for found in readings.iter().flatten() {
            within(found, &line);
        }
        read += usize::from(readings.iter().any(Option::is_some));
        // Two readers of one layout do not tell different things of what decides, in a line of one request.
        let requests = line.windows(5).filter(|part| matches!(*part, b"HTTP/" | b"\"- - ")).count();
        if let [Some(fixed), Some(own), ..] = readings
            && fixed.format == Format::IstioText19
            && requests == 1
            && !mixed
        {
            let what = |line: &AccessLine<'_>| (line.response_code, line.flags, line.bytes_sent);
            assert_eq!(what(&fixed), what(&own), "{}", line.escape_ascii());
            assert_eq!(fixed.upstream_cluster, own.upstream_cluster, "{}", line.escape_ascii());
            same += 1;
        }
        let _ = (parse_json(&line, |_| ()), parse_ztunnel(&line).is_some(), is_access_line(&line, &own));
        let number = u64::try_from(number).unwrap();
        plain.add_line(source, number, &line);
        with_formats.add_line(source, number, &line);
        // A line may be joined with those before it, so numbers are held to each other and not to a count of one.
        for logs in [&plain, &with_formats] {
            let lines = logs.lines();
            assert_eq!(lines.read, lines.parsed + lines.other, "{}", line.escape_ascii());
            assert_eq!(lines.read + lines.joined, number, "{}", line.escape_ascii());
        }
    }
    assert!(read > most / 20 && same > 0, "{read} {same} of {most}");
    println!("{most} lines, {read} read, {same} by both readers of one layout");
}
