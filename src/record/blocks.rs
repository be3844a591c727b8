//! Bit masks over blocks of 64 bytes: where quotes, delimiters and line feeds stand.
//!
//! Bit `i` of a mask belongs to byte `i` of its block. The masks come from AVX2 (`avx2`), where the
//! caller has found that the processor has it, or from arithmetic on 64-bit words (`words`).

/// The bytes that one mask covers.
pub(super) const BLOCK: usize = 64;

/// Where the bytes that structure a block stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// The quotes.
    pub(super) quotes: u64,
    /// The bytes with an odd number of quotes up to and including them in the block.
    pub(super) odd: u64,
    /// The delimiters, inside quotes or not.
    pub(super) delimiters: u64,
    /// The line feeds, inside quotes or not.
    pub(super) newlines: u64,
}

/// Returns, for each bit, whether the number of set bits up to and including it is odd.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

/// Masks by 256-bit vectors.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setr_epi64x,
    };

    use super::{BLOCK, Masks};
    use crate::record::dialect::QUOTE;

    /// Writes the masks of each block to the entry of `masks` with the same index.
    #[target_feature(enable = "avx2,pclmulqdq")]
    pub(in crate::record) fn scan(blocks: &[[u8; BLOCK]], delimiter: u8, masks: &mut [Masks]) {
        let [quote, delimiter, newline] =
            [QUOTE, delimiter, b'\n'].map(|byte| _mm256_set1_epi8(byte.cast_signed()));
        for (block, masks) in blocks.iter().zip(masks) {
            let low = load(block, 0);
            let high = load(block, 32);
            let quotes = equal(low, high, quote);
            *masks = Masks {
                quotes,
                odd: prefix_xor(quotes),
                delimiters: equal(low, high, delimiter),
                newlines: equal(low, high, newline),
            };
        }
    }

    /// Returns the 32 bytes from `at` on as a vector; one load once it is compiled.
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; BLOCK], at: usize) -> __m256i {
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[at + index * 8..at + index * 8 + 8]);
            i64::from_le_bytes(bytes)
        };
        _mm256_setr_epi64x(word(0), word(1), word(2), word(3))
    }

    /// Returns, for each bit, whether the number of set bits up to and including it is odd: the
    /// product without carries with a number of ones.
    #[target_feature(enable = "avx2,pclmulqdq")]
    fn prefix_xor(bits: u64) -> u64 {
        let bits = _mm_set_epi64x(0, bits.cast_signed());
        _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(bits, _mm_set1_epi8(-1))).cast_unsigned()
    }

    /// Returns the mask of the bytes that equal those of `pattern`.
    #[target_feature(enable = "avx2")]
    fn equal(low: __m256i, high: __m256i, pattern: __m256i) -> u64 {
        let half = |bytes| _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, pattern)).cast_unsigned();
        u64::from(half(low)) | u64::from(half(high)) << 32
    }
}

/// Masks by 64-bit words of eight bytes.
pub(super) mod words {
    use super::{BLOCK, Masks, prefix_xor};
    use crate::record::dialect::QUOTE;

    const LOW_BITS: u64 = u64::from_ne_bytes([0x7f; 8]);
    const ONES: u64 = u64::from_ne_bytes([1; 8]);

    /// Writes the masks of each block to the entry of `masks` with the same index.
    pub(in crate::record) fn scan(blocks: &[[u8; BLOCK]], delimiter: u8, masks: &mut [Masks]) {
        let [quote, delimiter, newline] =
            [QUOTE, delimiter, b'\n'].map(|byte| u64::from(byte) * ONES);
        for (block, masks) in blocks.iter().zip(masks) {
            *masks = Masks::default();
            for (index, word) in block.as_chunks::<8>().0.iter().enumerate() {
                let word = u64::from_le_bytes(*word);
                let shift = index * 8;
                masks.quotes |= equal(word, quote) << shift;
                masks.delimiters |= equal(word, delimiter) << shift;
                masks.newlines |= equal(word, newline) << shift;
            }
            masks.odd = prefix_xor(masks.quotes);
        }
    }

    /// Returns a bit for each byte of `word` that equals the byte of `pattern`.
    #[inline]
    fn equal(word: u64, pattern: u64) -> u64 {
        let zero = word ^ pattern;
        // The high bit of a byte is set if the byte of `zero` is nothing but zeros.
        let high = !((zero & LOW_BITS).wrapping_add(LOW_BITS) | zero | LOW_BITS);
        // Eight bits at distances of eight are gathered in the highest byte.
        (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(block: &[u8; BLOCK], byte: u8) -> u64 {
        block.iter().enumerate().fold(0, |mask, (i, b)| mask | u64::from(*b == byte) << i)
    }

    fn naive_odd(bits: u64) -> u64 {
        (0..64).fold(0, |odd, i| odd | u64::from((bits << (63 - i)).count_ones() & 1) << i)
    }

    proptest! {
        #[test]
        fn finds_the_same_bytes_with_and_without_vectors(
            text in prop::collection::vec(
                prop_oneof![Just(b'"'), Just(b'\n'), Just(b','), Just(b'-'), any::<u8>()], 192),
            delimiter in prop_oneof![Just(b','), 1_u8..128],
        ) {
            let blocks = text.as_chunks::<BLOCK>().0;
            let expected: Vec<Masks> = blocks.iter().map(|block| Masks {
                quotes: naive(block, b'"'),
                odd: naive_odd(naive(block, b'"')),
                delimiters: naive(block, delimiter),
                newlines: naive(block, b'\n'),
            }).collect();
            let mut masks = vec![Masks::default(); blocks.len()];
            words::scan(blocks, delimiter, &mut masks);
            prop_assert_eq!(&masks, &expected);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq") {
                masks.fill(Masks::default());
                #[expect(unsafe_code, reason = "the features were asked for on the line before")]
                // SAFETY: the processor has the features.
                unsafe { avx2::scan(blocks, delimiter, &mut masks) };
                prop_assert_eq!(&masks, &expected);
            }
        }
    }
}
