//! The first filter with AVX-512: 64 positions at once.

use std::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_or_si512, _mm512_permutex2var_epi8,
    _mm512_test_epi8_mask,
};
use std::ops::Range;

use super::{Bytes, GROUPS, Passed};
use crate::detect::gram::LEN;

/// Positions that one step looks at.
const STEP: usize = size_of::<__m512i>();

/// Appends the positions in `range` that pass, counted from its start, and returns up to where it has looked: the end of
/// `range`, or up to 66 bytes before it where the buffer ends.
///
/// Each byte is looked up as a whole, in 128 of a table: those of ASCII, or the others. Which of the two a gram begins with is
/// known of its group; what follows is the same for both.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi1,popcnt")]
pub fn sift(bytes: &Bytes, buffer: &[u8], range: Range<usize>, passed: &mut Passed) -> usize {
    let tables = bytes.0.each_ref().map(|group| group.each_ref().map(|table| load(table)));
    let mut at = range.start;
    while at < range.end && at + STEP + LEN - 1 <= buffer.len() {
        let window = &buffer[at..at + STEP + LEN - 1];
        let text = [read(window, 0), read(window, 1), read(window, 2), read(window, 3)];
        let buckets: [__m512i; GROUPS] = std::array::from_fn(|group| {
            let has = |k: usize| _mm512_permutex2var_epi8(tables[group][k].0, text[k], tables[group][k].1);
            _mm512_and_si512(_mm512_and_si512(has(0), has(1)), _mm512_and_si512(has(2), has(3)))
        });
        let [first, second, foreign] = buckets;
        let ascii = _mm512_or_si512(first, second);
        let is_foreign = _mm512_movepi8_mask(text[0]);
        let hits =
            _mm512_test_epi8_mask(ascii, ascii) & !is_foreign | _mm512_test_epi8_mask(foreign, foreign) & is_foreign;
        passed.extend((at - range.start) as u16, hits);
        at += STEP;
    }
    at.min(range.end)
}

#[target_feature(enable = "avx512f")]
fn read(bytes: &[u8], at: usize) -> __m512i {
    let bytes = &bytes[at..at + STEP];
    // SAFETY: the slice has as many bytes as are read, and they may be anywhere.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>()) }
}

#[target_feature(enable = "avx512f")]
fn load(table: &[u8; 2 * STEP]) -> (__m512i, __m512i) {
    (read(table, 0), read(table, STEP))
}
