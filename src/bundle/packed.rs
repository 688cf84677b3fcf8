//! Packed texts and archives by what they begin with, and the streams out of packed texts.
//!
//! Nothing is unpacked to disk, and no more of it is held than a block: how much a text is unpacked to does not matter.

use std::io::{self, BufRead as _, BufReader, Read};

use flate2::bufread::GzDecoder;

/// How much a text from a packed one may hold of objects: more than a cluster of any size has.
pub(super) const MOST_OBJECTS: u64 = 4 * 1024 * 1024 * 1024;

/// What a beginning says of what is around a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapped {
    /// One text, packed.
    Packed(Packing),
    /// Many files.
    Archive(Kind),
    /// Packed so that it is not read: how to unpack it.
    Foreign(&'static str, &'static str),
}

/// How one text is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstandard,
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tar,
    Zip,
}

/// Looks at the beginning of a file (RFC 1952, RFC 8878, POSIX ustar, PKWARE's APPNOTE).
pub(super) fn wrapped(beginning: &[u8]) -> Option<Wrapped> {
    let is_zstandard = |begin: &[u8]| match begin {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
        // A frame that is to be skipped: programs that pack on many processors begin with one.
        [first, 0x2a, 0x4d, 0x18, ..] => first & 0xf0 == 0x50,
        _ => false,
    };
    match beginning {
        [0x1f, 0x8b, 8, ..] => Some(Wrapped::Packed(Packing::Gzip)),
        begin if is_zstandard(begin) => Some(Wrapped::Packed(Packing::Zstandard)),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Wrapped::Archive(Kind::Zip)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Wrapped::Foreign("xz", "xz -d")),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some(Wrapped::Foreign("bzip2", "bzip2 -d")),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Wrapped::Foreign("lz4", "lz4 -d")),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(Wrapped::Foreign("7z", "7z x")),
        begin => is_tar(begin).then_some(Wrapped::Archive(Kind::Tar)),
    }
}

/// Whether a text begins with a header of tar: the sum of its bytes stands in it.
fn is_tar(beginning: &[u8]) -> bool {
    let Some(block) = beginning.get(..512) else { return false };
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    has_its_sum(&header)
}

/// Whether the sum of a header's bytes is the one that stands in it, that one taken as spaces.
pub(super) fn has_its_sum(header: &tar::Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    bytes.first().is_some_and(|first| *first != 0) && header.cksum().is_ok_and(|told| told == sum)
}

/// A text out of a packed one.
pub(super) enum Unpacked<R: Read> {
    Gzip(Box<Members<R>>),
    Zstandard(zstd::stream::read::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(packing: Packing, text: R) -> io::Result<Self> {
        let text = BufReader::new(text);
        Ok(match packing {
            Packing::Gzip => Self::Gzip(Box::new(Members(Some(GzDecoder::new(text))))),
            Packing::Zstandard => Self::Zstandard(zstd::stream::read::Decoder::with_buffer(text)?),
        })
    }
}

/// Packed texts one behind the other, which are one text (RFC 1952). Zeros behind the last one fill a block, as gzip has
/// it; whatever else stands there is none of it.
pub(super) struct Members<R: Read>(Option<GzDecoder<BufReader<R>>>);

impl<R: Read> Members<R> {
    /// Goes on to the next packed text. Whether there is one.
    fn next(&mut self) -> io::Result<bool> {
        let Some(member) = self.0.take() else { return Ok(false) };
        let mut rest = member.into_inner();
        loop {
            let filled = rest.fill_buf()?;
            let zeros = filled.iter().take_while(|byte| **byte == 0).count();
            match filled.get(zeros) {
                Some(0x1f) => break rest.consume(zeros),
                Some(_) => {
                    let text = "the packed text has ended, and what stands behind it is not packed";
                    return Err(io::Error::other(text));
                }
                None if zeros == 0 => return Ok(false),
                None => rest.consume(zeros),
            }
        }
        self.0 = Some(GzDecoder::new(rest));
        Ok(true)
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.0 else { return Ok(0) };
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.next()? {
                return Ok(read);
            }
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self {
            Self::Gzip(text) => text.read(buffer),
            Self::Zstandard(text) => text.read(buffer),
        };
        read.map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                error
            } else if error.kind() == io::ErrorKind::UnexpectedEof {
                io::Error::new(error.kind(), "the packed text is cut off")
            } else if error.kind() == io::ErrorKind::Other {
                error
            } else {
                io::Error::new(error.kind(), format!("the packed text is damaged: {error}"))
            }
        })
    }
}

/// A text that breaks off with an error, once what stands before it was read.
pub(super) struct Broken(pub(super) Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A text of which only so much is read; more is an error.
pub(super) struct Bounded<R> {
    pub(super) text: R,
    pub(super) left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other("it is unpacked to more than any objects need, and is refused")
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn packed_texts_are_told_by_their_beginning() {
        assert_eq!(wrapped(&gzip(b"x")), Some(Wrapped::Packed(Packing::Gzip)));
        let zstandard = zstd::encode_all(&b"x"[..], 1).unwrap();
        assert_eq!(wrapped(&zstandard), Some(Wrapped::Packed(Packing::Zstandard)));
        assert_eq!(wrapped(b"PK\x03\x04rest"), Some(Wrapped::Archive(Kind::Zip)));
        assert_eq!(wrapped(b"BZh91AY&SY"), Some(Wrapped::Foreign("bzip2", "bzip2 -d")));
        for text in [&b"BZh9 is a word"[..], b"PK", b"", b"kind: Pod\n", &[0; 600], &[b'a'; 600]] {
            assert_eq!(wrapped(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_tar_is_told_by_the_sum_in_its_header_whatever_its_age() {
        for mut header in [tar::Header::new_old(), tar::Header::new_ustar(), tar::Header::new_gnu()] {
            header.set_path("a/b.log").unwrap();
            header.set_size(0);
            header.set_cksum();
            let mut block = header.as_bytes().to_vec();
            assert_eq!(wrapped(&block), Some(Wrapped::Archive(Kind::Tar)));
            block[3] ^= 1;
            assert_eq!(wrapped(&block), None);
        }
    }

    #[test]
    fn several_packed_texts_behind_each_other_are_one() {
        let packed = [gzip(b"one\n"), gzip(b"two\n")].concat();
        let mut text = String::new();
        Unpacked::new(Packing::Gzip, packed.as_slice()).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn what_stands_behind_a_packed_text_is_said_as_such() {
        let unpacked = |behind: &[u8]| {
            let packed = [&gzip(b"one\n"), behind].concat();
            let mut text = String::new();
            let read = Unpacked::new(Packing::Gzip, packed.as_slice()).unwrap().read_to_string(&mut text);
            (text, read.err().map(|error| error.to_string()))
        };
        let foreign = Some("the packed text has ended, and what stands behind it is not packed".to_owned());
        for behind in [&b"x"[..], b"more lines\n", &[b'x'; 9_000], b"\0\0x"] {
            assert_eq!(unpacked(behind), ("one\n".to_owned(), foreign.clone()));
        }
        for zeros in [&[0][..], &[0; 9_000]] {
            assert_eq!(unpacked(zeros), ("one\n".to_owned(), None));
        }
        let cut = Some("the packed text is cut off".to_owned());
        assert_eq!(unpacked(&gzip(b"two\n")[..5]), ("one\n".to_owned(), cut));
    }

    #[test]
    fn a_text_that_is_cut_off_gives_what_stands_before() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|number| format!("{number}\n").into_bytes()).collect();
        for (packing, whole) in [
            (Packing::Gzip, gzip(&text)),
            (Packing::Zstandard, zstd::encode_all(text.as_slice(), 1).unwrap()),
        ] {
            let half = &whole[..whole.len() / 2];
            let mut read = Vec::new();
            let error = Unpacked::new(packing, half).unwrap().read_to_end(&mut read).unwrap_err();
            assert_eq!(error.to_string(), "the packed text is cut off", "{packing:?}");
            assert!(text.starts_with(&read), "{packing:?}");
        }
    }
}
