//! Less of a signed export, made by whoever holds it: the rest is left out, and what is there still verifies.

use std::io::{Read, Seek, SeekFrom, Write};

use super::DisclosureError;
use super::line;
use super::statement::Refusal;
use super::tree::narrow;
use super::verify::{self, Checked, Lines, PIECE, PieceLine, VerifyError};
use super::write::proof;
use crate::crypto::Digest;

/// Why there is no excerpt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExcerptError {
    /// The export does not hold, or cannot be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// What was asked for is not there, or the output cannot be written.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// There is no such conversation.
    #[error("there is no conversation {number}: the file has {count}")]
    NoConversation {
        /// The number asked for, from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// Some were taken out before.
    #[error("conversations were taken out of this file before: take the excerpt from the file it was made of")]
    Narrowed,
    /// The file is not the one that was checked.
    #[error("the file has changed while it was read")]
    Changed,
}

/// Writes an excerpt of signed lines: of conversation `number`, from 1, the messages of these numbers, from 0 and ascending;
/// all that the file has of it without any. What the whole file said.
pub fn excerpt(
    input: &mut (impl Read + Seek),
    number: usize,
    messages: Option<&[usize]>,
    out: &mut dyn Write,
) -> Result<Checked, ExcerptError> {
    input.seek(SeekFrom::Start(0)).map_err(VerifyError::Io)?;
    let checked = verify::lines(&mut *input)?;
    let count = checked.seen.len();
    if number == 0 || number > count {
        return Err(ExcerptError::NoConversation { number, count });
    }
    // Below a node that was taken out nothing can be told apart any more.
    if checked.statement.left_out.contains(&true) && count > 1 {
        return Err(ExcerptError::Narrowed);
    }
    input.seek(SeekFrom::Start(0)).map_err(VerifyError::Io)?;
    let mut lines = Lines::new(input);
    let mut seen = 0;
    while seen < number {
        if !lines.next()? {
            return Err(ExcerptError::Changed);
        }
        seen += usize::from(verify::is_lines(&lines.line));
    }
    one(&mut lines, messages, out)?;
    let roots: Vec<Digest> = checked.seen.iter().map(|one| one.content.root).collect();
    let kept: Vec<bool> = (1..=count).map(|at| at == number).collect();
    let manifest = checked.statement.narrowed(&roots, &kept).ok_or(ExcerptError::Narrowed)?;
    let written = writeln!(out, "{manifest}").and_then(|()| out.flush());
    written.map_err(DisclosureError::Output)?;
    Ok(checked)
}

/// The conversation whose line was read, in part.
fn one(lines: &mut Lines<impl Read>, messages: Option<&[usize]>, out: &mut dyn Write) -> Result<(), ExcerptError> {
    let first = std::mem::take(&mut lines.line);
    let refused = |why| VerifyError::from(Refusal::Line(0, why));
    let said = line::Read::of(&first).map_err(refused)?;
    let there = said.shown();
    let shown = match messages {
        None => there.clone(),
        Some(messages) => {
            let mut shown = vec![false; there.len()];
            for number in messages {
                let is_there =
                    there.get(*number).ok_or(DisclosureError::NoMessage { number: number + 1, count: there.len() })?;
                if !is_there {
                    return Err(DisclosureError::LeftOut(number + 1).into());
                }
                shown[*number] = true;
            }
            shown
        }
    };
    let left_out = said.excerpt(&shown).map_err(refused)?;
    let write = |out: &mut dyn Write, bytes: &[u8]| out.write_all(bytes).map_err(DisclosureError::Output);
    write(out, &said.without(&left_out))?;
    let files = left_out.len() - said.counts()[2] - said.counts()[3];
    loop {
        if !lines.next()? {
            return Err(ExcerptError::Changed);
        }
        if !lines.line.starts_with(PIECE) {
            break;
        }
        let piece: PieceLine<'_> = serde_json::from_slice(&lines.line).map_err(|_| ExcerptError::Changed)?;
        if piece.of == "attachment" && left_out.get(files + piece.index) == Some(&false) {
            write(out, &lines.line)?;
        }
    }
    let (before, nodes) = verify::proof(&lines.line, left_out.len()).ok_or(ExcerptError::Changed)?;
    let contents = said.leaves(before.get(1) == Some(&true));
    let nodes = narrow(&contents, &nodes, &left_out).map_err(|_| ExcerptError::Changed)?;
    write(out, proof(left_out.len(), &left_out, &nodes).as_bytes())?;
    Ok(())
}
