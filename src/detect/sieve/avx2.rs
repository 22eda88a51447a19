//! The first filter with AVX2: 32 positions at once.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16,
};
use std::ops::Range;

use super::{GROUPS, Halves, Masks, Passed};
use crate::detect::gram::LEN;

/// Positions that one step looks at.
const STEP: usize = size_of::<__m256i>();

/// Appends the positions in `range` that pass, counted from its start, and returns up to where it has looked: the end of `range`, or up to 34 bytes
/// before it where the buffer ends.
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub fn sift(masks: &Masks, buffer: &[u8], range: Range<usize>, passed: &mut Passed) -> usize {
    let groups = masks.0.map(|group| group.map(|halves| load(halves)));
    let mut at = range.start;
    while at < range.end && at + STEP + LEN - 1 <= buffer.len() {
        let mut buckets = [_mm256_set1_epi8(-1); GROUPS];
        let window = &buffer[at..at + STEP + LEN - 1];
        let bytes = [read(window, 0), read(window, 1), read(window, 2), read(window, 3)];
        for k in 0..LEN {
            let lower = _mm256_and_si256(bytes[k], _mm256_set1_epi8(15));
            let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes[k]), _mm256_set1_epi8(15));
            for (buckets, group) in buckets.iter_mut().zip(&groups) {
                let (has_lower, has_upper) = group[k];
                let has =
                    _mm256_and_si256(_mm256_shuffle_epi8(has_lower, lower), _mm256_shuffle_epi8(has_upper, upper));
                *buckets = _mm256_and_si256(*buckets, has);
            }
        }
        let none = _mm256_cmpeq_epi8(
            buckets.into_iter().fold(_mm256_setzero_si256(), |any, buckets| _mm256_or_si256(any, buckets)),
            _mm256_setzero_si256(),
        );
        let hits = !_mm256_movemask_epi8(none) as u32;
        passed.extend((at - range.start) as u16, hits.into());
        at += STEP;
    }
    at.min(range.end)
}

#[target_feature(enable = "avx2")]
fn read(bytes: &[u8], at: usize) -> __m256i {
    let bytes = &bytes[at..at + STEP];
    // SAFETY: the slice has as many bytes as are read, and they may be anywhere.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>()) }
}

/// The two tables of a place, each twice: shuffles look up each half of a register by itself.
#[target_feature(enable = "avx2")]
fn load(halves: Halves) -> (__m256i, __m256i) {
    let twice = |table: &[u8; 16]| {
        // SAFETY: the table has the sixteen bytes that are read.
        let table = unsafe { _mm_loadu_si128(table.as_ptr().cast::<__m128i>()) };
        _mm256_broadcastsi128_si256(table)
    };
    (twice(&halves.lower), twice(&halves.upper))
}
