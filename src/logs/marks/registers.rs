//! Comparing bytes in the widest registers of the processor that the program runs on.
//!
//! What is built for all processors of a kind compares 16 bytes at a time. Nearly all machines compare 32 or 64 and have
//! instructions for single bits, so the reading of a block is built for each of them, and which one runs is decided
//! there.

use wide::u8x16;

use super::{WORD, Word};
use crate::logs::access_text::ESCAPE;

/// Registers that bytes are compared in.
pub(in crate::logs) trait Registers: Copy {
    /// The marks of 64 bytes.
    fn word_of(self, bytes: &[u8; WORD]) -> Word;

    /// A bit for each of 64 bytes that is a control character of ASCII, 0x7f among them.
    fn controls_of(self, bytes: &[u8; WORD]) -> u64;

    /// A bit for each of 64 bytes that begins a colour.
    fn escapes_of(self, bytes: &[u8; WORD]) -> u64;
}

/// The last control character but 0x7f.
const LAST_CONTROL: u8 = 0x1f;
const DELETE: u8 = 0x7f;

/// Work that is built for each kind of register. All of it has to be inlined: what is not is built for all processors.
pub(in crate::logs) trait Task {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run(self, registers: impl Registers) -> Self::Output;
}

/// Registers of 16 bytes, which all processors have.
#[derive(Debug, Clone, Copy)]
pub(in crate::logs) struct Narrow;

impl Registers for Narrow {
    #[inline(always)]
    fn word_of(self, bytes: &[u8; WORD]) -> Word {
        let (chunks, _) = bytes.as_chunks::<16>();
        let mut word = Word { quotes: 0, spaces: 0, line_feeds: 0 };
        for (at, chunk) in chunks.iter().enumerate() {
            let chunk = u8x16::new(*chunk);
            let bits = |byte| u64::from(chunk.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * at);
            word.quotes |= bits(b'"');
            word.spaces |= bits(b' ');
            word.line_feeds |= bits(b'\n');
        }
        word
    }

    #[inline(always)]
    fn controls_of(self, bytes: &[u8; WORD]) -> u64 {
        let (chunks, _) = bytes.as_chunks::<16>();
        let last = u8x16::splat(LAST_CONTROL);
        let mut controls = 0;
        for (at, chunk) in chunks.iter().enumerate() {
            let chunk = u8x16::new(*chunk);
            let is_control = chunk.max(last).simd_eq(last) | chunk.simd_eq(u8x16::splat(DELETE));
            controls |= u64::from(is_control.to_bitmask()) << (16 * at);
        }
        controls
    }

    #[inline(always)]
    fn escapes_of(self, bytes: &[u8; WORD]) -> u64 {
        let (chunks, _) = bytes.as_chunks::<16>();
        let bits = |chunk: &[u8; 16]| u8x16::new(*chunk).simd_eq(u8x16::splat(ESCAPE)).to_bitmask();
        chunks.iter().rev().fold(0, |escapes, chunk| escapes << 16 | u64::from(bits(chunk)))
    }
}

/// Does a task with the widest registers that there are.
#[cfg(not(target_arch = "x86_64"))]
pub(in crate::logs) fn widest<T: Task>(task: T) -> T::Output {
    task.run(Narrow)
}

#[cfg(target_arch = "x86_64")]
pub(in crate::logs) use intel::widest;

#[cfg(target_arch = "x86_64")]
mod intel {
    use pulp::NullaryFnOnce;
    use pulp::x86::{V3, V4};

    use super::{DELETE, ESCAPE, LAST_CONTROL, Narrow, Registers, Task, WORD, Word};

    /// Does a task with the widest registers that there are.
    pub(in crate::logs) fn widest<T: Task>(task: T) -> T::Output {
        if let Some(registers) = V4::try_new() {
            return registers.vectorize(With { task, registers });
        }
        if let Some(registers) = V3::try_new() {
            return registers.vectorize(With { task, registers });
        }
        task.run(Narrow)
    }

    struct With<T, R> {
        task: T,
        registers: R,
    }

    impl<T: Task, R: Registers> NullaryFnOnce for With<T, R> {
        type Output = T::Output;

        #[inline(always)]
        fn call(self) -> Self::Output {
            self.task.run(self.registers)
        }
    }

    impl Registers for V4 {
        #[inline(always)]
        fn word_of(self, bytes: &[u8; WORD]) -> Word {
            let bytes = pulp::cast(*bytes);
            let marks = |byte| self.avx512bw._mm512_cmpeq_epi8_mask(bytes, pulp::cast([byte; WORD]));
            Word { quotes: marks(b'"'), spaces: marks(b' '), line_feeds: marks(b'\n') }
        }

        #[inline(always)]
        fn controls_of(self, bytes: &[u8; WORD]) -> u64 {
            let bytes = pulp::cast(*bytes);
            self.avx512bw._mm512_cmple_epu8_mask(bytes, pulp::cast([LAST_CONTROL; WORD]))
                | self.avx512bw._mm512_cmpeq_epi8_mask(bytes, pulp::cast([DELETE; WORD]))
        }

        #[inline(always)]
        fn escapes_of(self, bytes: &[u8; WORD]) -> u64 {
            self.avx512bw._mm512_cmpeq_epi8_mask(pulp::cast(*bytes), pulp::cast([ESCAPE; WORD]))
        }
    }

    impl Registers for V3 {
        #[inline(always)]
        fn word_of(self, bytes: &[u8; WORD]) -> Word {
            let [low, high]: [[u8; 32]; 2] = pulp::cast(*bytes);
            let half = |bytes: [u8; 32], byte: u8| {
                let equal = self.avx2._mm256_cmpeq_epi8(pulp::cast(bytes), pulp::cast([byte; 32]));
                u64::from(self.avx2._mm256_movemask_epi8(equal).cast_unsigned())
            };
            let marks = |byte| half(low, byte) | half(high, byte) << 32;
            Word { quotes: marks(b'"'), spaces: marks(b' '), line_feeds: marks(b'\n') }
        }

        #[inline(always)]
        fn controls_of(self, bytes: &[u8; WORD]) -> u64 {
            let halves: [[u8; 32]; 2] = pulp::cast(*bytes);
            let last = pulp::cast([LAST_CONTROL; 32]);
            let [low, high] = halves.map(|half| {
                let half = pulp::cast(half);
                let below = self.avx2._mm256_cmpeq_epi8(self.avx2._mm256_max_epu8(half, last), last);
                let delete = self.avx2._mm256_cmpeq_epi8(half, pulp::cast([DELETE; 32]));
                let is_control = self.avx2._mm256_or_si256(below, delete);
                u64::from(self.avx2._mm256_movemask_epi8(is_control).cast_unsigned())
            });
            low | high << 32
        }

        #[inline(always)]
        fn escapes_of(self, bytes: &[u8; WORD]) -> u64 {
            let halves: [[u8; 32]; 2] = pulp::cast(*bytes);
            let [low, high] = halves.map(|half| {
                let equal = self.avx2._mm256_cmpeq_epi8(pulp::cast(half), pulp::cast([ESCAPE; 32]));
                u64::from(self.avx2._mm256_movemask_epi8(equal).cast_unsigned())
            });
            low | high << 32
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Marks([u8; WORD]);

    impl Task for Marks {
        type Output = [u64; 5];

        fn run(self, registers: impl Registers) -> [u64; 5] {
            let Word { quotes, spaces, line_feeds } = registers.word_of(&self.0);
            [quotes, spaces, line_feeds, registers.controls_of(&self.0), registers.escapes_of(&self.0)]
        }
    }

    proptest! {
        /// Of the registers of this machine none sees anything else.
        #[test]
        fn all_registers_see_the_same(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b' '), Just(b'\n'), Just(0x7f), Just(ESCAPE), any::<u8>()], WORD)) {
            let bits = |is: fn(u8) -> bool| bytes.iter().rev().fold(0_u64, |bits, byte| bits << 1 | u64::from(is(*byte)));
            let wanted = [
                bits(|byte| byte == b'"'),
                bits(|byte| byte == b' '),
                bits(|byte| byte == b'\n'),
                bits(|byte| byte < b' ' || byte == 0x7f),
                bits(|byte| byte == ESCAPE),
            ];
            let bytes: [u8; WORD] = bytes.try_into().unwrap();
            prop_assert_eq!(Marks(bytes).run(Narrow), wanted);
            prop_assert_eq!(widest(Marks(bytes)), wanted);
            #[cfg(target_arch = "x86_64")]
            if let Some(registers) = pulp::x86::V3::try_new() {
                prop_assert_eq!(Marks(bytes).run(registers), wanted);
            }
        }
    }
}
