//! Bit masks over blocks of 64 bytes: where quotes, delimiters and line feeds stand.
//!
//! Bit `i` of a mask belongs to byte `i` of its block. The masks come from AVX-512 (`avx512`) or AVX2
//! (`avx2`), where the caller has found that the processor has it, or from arithmetic on 64-bit
//! words (`words`).

/// The bytes that one mask covers.
pub(super) const BLOCK: usize = 64;

/// The bytes that structure text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// The quote.
    pub(super) quote: u8,
    /// The delimiter.
    pub(super) delimiter: u8,
    /// What ends lines.
    pub(super) line_end: u8,
}

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

/// Masks by 512-bit vectors: a comparison gives its mask at once.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi32, _mm512_alignr_epi32, _mm512_castsi512_si128,
        _mm512_cmpeq_epi8_mask, _mm512_cvtepu8_epi32, _mm512_mask_add_epi32, _mm512_mask_sub_epi32,
        _mm512_maskz_compress_epi8, _mm512_permutex2var_epi32, _mm512_set1_epi8, _mm512_set1_epi32,
        _mm512_setr_epi32, _mm512_setr_epi64, _mm512_storeu_si512, _pdep_u64, _pext_u64,
    };

    use super::avx2::prefix_xor;
    use super::{BLOCK, Masks, Signs};

    /// Writes the masks of each block to the entry of `masks` with the same index.
    #[target_feature(enable = "avx512f,avx512bw,avx2,pclmulqdq")]
    pub(in crate::record) fn scan(blocks: &[[u8; BLOCK]], signs: Signs, masks: &mut [Masks]) {
        let [quote, delimiter, newline] = [signs.quote, signs.delimiter, signs.line_end]
            .map(|byte| _mm512_set1_epi8(byte.cast_signed()));
        for (block, masks) in blocks.iter().zip(masks) {
            let bytes = load(block);
            let quotes = _mm512_cmpeq_epi8_mask(bytes, quote);
            *masks = Masks {
                quotes,
                odd: prefix_xor(quotes),
                delimiters: _mm512_cmpeq_epi8_mask(bytes, delimiter),
                newlines: _mm512_cmpeq_epi8_mask(bytes, newline),
            };
        }
    }

    /// The fields whose spans are written at once.
    pub(in crate::record) const FIELDS: usize = 16;

    /// Each byte's place in its block.
    const PLACES: [u8; BLOCK] = {
        let mut places = [0; BLOCK];
        let mut at = 0;
        while at < BLOCK {
            places[at] = at.to_le_bytes()[0];
            at += 1;
        }
        places
    };

    /// Writes the spans of the fields that end at the first `FIELDS` of `separators` of the block at
    /// `base`, without their quotes; returns these separators. The first field begins at `field`,
    /// and with a quote if `first` says so. What is behind the last span means nothing.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi2")]
    pub(in crate::record) fn spans(
        out: &mut [[u32; 2]; FIELDS],
        separators: u64,
        (base, field): (u32, u32),
        (quotes, first): (u64, bool),
    ) -> u64 {
        let number = |value: u32| _mm512_set1_epi32(value.cast_signed());
        let taken = _pdep_u64(0xffff, separators);
        // A bit per separator: whether a quote follows. It belongs to the field after.
        let quoted = _pext_u64(quotes >> 1, taken) << 1 | u64::from(first);
        let [low, high, ..] = quoted.to_le_bytes();
        let quoted = u16::from_le_bytes([low, high]);
        let places = _mm512_maskz_compress_epi8(taken, load(&PLACES));
        let ends = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
        let ends = _mm512_add_epi32(ends, number(base));
        // A field starts behind the separator before it.
        let before = _mm512_alignr_epi32::<15>(ends, number(field.wrapping_sub(1)));
        let one = number(1);
        let starts = _mm512_add_epi32(before, one);
        let starts = _mm512_mask_add_epi32(starts, quoted, starts, one);
        let ends = _mm512_mask_sub_epi32(ends, quoted, ends, one);
        // Indexes from 16 on are those of the second vector.
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        let low = _mm512_permutex2var_epi32(starts, low, ends);
        let high = _mm512_permutex2var_epi32(starts, high, ends);
        let (first, second) = out.split_at_mut(FIELDS / 2);
        #[expect(
            unsafe_code,
            reason = "the only way from a vector to memory; it halves the time of reading"
        )]
        // SAFETY: each half holds eight pairs of four bytes, which is the size of a vector.
        unsafe {
            _mm512_storeu_si512(first.as_mut_ptr().cast(), low);
            _mm512_storeu_si512(second.as_mut_ptr().cast(), high);
        }
        taken
    }

    /// Returns the block as a vector; one load once it is compiled.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    fn load(block: &[u8; BLOCK]) -> __m512i {
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[index * 8..index * 8 + 8]);
            i64::from_le_bytes(bytes)
        };
        _mm512_setr_epi64(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7))
    }
}

/// Masks by 256-bit vectors.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setr_epi64x,
    };

    use super::{BLOCK, Masks, Signs};

    /// Writes the masks of each block to the entry of `masks` with the same index.
    #[target_feature(enable = "avx2,pclmulqdq")]
    pub(in crate::record) fn scan(blocks: &[[u8; BLOCK]], signs: Signs, masks: &mut [Masks]) {
        let [quote, delimiter, newline] = [signs.quote, signs.delimiter, signs.line_end]
            .map(|byte| _mm256_set1_epi8(byte.cast_signed()));
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
    #[inline]
    #[target_feature(enable = "avx2,pclmulqdq")]
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
    #[inline]
    #[target_feature(enable = "avx2,pclmulqdq")]
    pub(super) fn prefix_xor(bits: u64) -> u64 {
        let bits = _mm_set_epi64x(0, bits.cast_signed());
        _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(bits, _mm_set1_epi8(-1))).cast_unsigned()
    }

    /// Returns the mask of the bytes that equal those of `pattern`.
    #[inline]
    #[target_feature(enable = "avx2,pclmulqdq")]
    fn equal(low: __m256i, high: __m256i, pattern: __m256i) -> u64 {
        let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, pattern)).cast_unsigned();
        let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, pattern)).cast_unsigned();
        u64::from(low) | u64::from(high) << 32
    }
}

/// Masks by 64-bit words of eight bytes.
pub(super) mod words {
    use super::{BLOCK, Masks, Signs, prefix_xor};

    const LOW_BITS: u64 = u64::from_ne_bytes([0x7f; 8]);
    const ONES: u64 = u64::from_ne_bytes([1; 8]);

    /// Writes the masks of each block to the entry of `masks` with the same index.
    pub(in crate::record) fn scan(blocks: &[[u8; BLOCK]], signs: Signs, masks: &mut [Masks]) {
        let [quote, delimiter, newline] =
            [signs.quote, signs.delimiter, signs.line_end].map(|byte| u64::from(byte) * ONES);
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
            quote in prop_oneof![Just(b'"'), Just(b'-'), Just(0xff_u8)],
            line_end in prop_oneof![Just(b'\n'), Just(b'\r')],
        ) {
            let signs = Signs { quote, delimiter, line_end };
            let blocks = text.as_chunks::<BLOCK>().0;
            let expected: Vec<Masks> = blocks.iter().map(|block| Masks {
                quotes: naive(block, quote),
                odd: naive_odd(naive(block, quote)),
                delimiters: naive(block, delimiter),
                newlines: naive(block, line_end),
            }).collect();
            let mut masks = vec![Masks::default(); blocks.len()];
            words::scan(blocks, signs, &mut masks);
            prop_assert_eq!(&masks, &expected);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq") {
                masks.fill(Masks::default());
                #[expect(unsafe_code, reason = "the features were asked for on the line before")]
                // SAFETY: the processor has the features.
                unsafe { avx2::scan(blocks, signs, &mut masks) };
                prop_assert_eq!(&masks, &expected);
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                    masks.fill(Masks::default());
                    #[expect(unsafe_code, reason = "the features were asked for on the line before")]
                    // SAFETY: the processor has the features.
                    unsafe { avx512::scan(blocks, signs, &mut masks) };
                    prop_assert_eq!(&masks, &expected);
                }
            }
        }
    }
}
