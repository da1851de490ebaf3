//! What a fuzzed input must keep true; an ordinary test replays the seeds through it.

use std::ops::ControlFlow;

use convault::bundle::Bundle;
use convault::conversation::Conversation;
use convault::import::by_name;

/// Reads the bytes as an input of the format and panics where a promise is broken.
pub fn replay(format: &str, data: &[u8]) {
    let format = by_name(format).expect("the format is registered");
    let Ok(bundle) = Bundle::from_bytes("input", data.to_vec()) else { return };
    let Ok(context) = format.prepare(&bundle) else { return };
    let _ = format.split(&bundle, &context, &mut |unit| {
        let Ok(unit) = unit else { return ControlFlow::Continue(()) };
        if let Ok(parsed) = format.parse(&context, &unit) {
            check(&parsed.conversation);
        }
        ControlFlow::Continue(())
    });
}

/// What every reader of a conversation relies on.
fn check(conversation: &Conversation) {
    assert!(!conversation.native_id.is_empty(), "every conversation has an id");
    for (index, message) in conversation.messages.iter().enumerate() {
        assert!(message.parent.is_none_or(|parent| (parent as usize) < index), "parents stand first");
        assert!((message.author as usize) < conversation.participants.len(), "an author exists");
        for part in &message.parts {
            let end = part.text.start + part.text.len;
            assert!(conversation.text.get(part.text.start..end).is_some(), "a span lies inside the text");
            assert!(part.attachment.is_none_or(|at| (at as usize) < conversation.attachments.len()), "a file exists");
        }
    }
}
