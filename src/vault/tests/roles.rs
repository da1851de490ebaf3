//! Roles are keys: what each of them opens, and what it cannot, on real files.

use super::*;
use crate::facts::TagId;
use crate::vault::access::{Holds, HoldsFacts, HoldsRead, Janitor, Reader};
use crate::vault::deposit::empty_inbox;
use crate::vault::segment::{Opener, unwrap_read_share};

/// A vault with two conversations, and a key file of every role.
struct Office {
    bench: Bench,
    keys: Vec<(Role, KeyFile, [u8; 16])>,
}

impl Office {
    fn new(anchor: impl FnOnce(&Bench) -> AnchorPlace) -> Self {
        let bench = bench();
        let mut vault = bench.made(anchor(&bench));
        store_two(&mut vault);
        let roles = [Role::Reader, Role::Depositor, Role::Janitor, Role::Auditor];
        let mut grant = |role| {
            let key = KeyFile::generate();
            let id = vault.grant(role, &Secret::KeyFile(&key), NOW).unwrap();
            (role, key, id)
        };
        let keys = roles.map(&mut grant).into_iter().collect();
        vault.close().unwrap();
        Self { bench, keys }
    }

    fn unopened(&self) -> Unopened {
        Unopened::open(Lock::take(&self.bench.path).unwrap()).unwrap()
    }

    fn key(&self, role: Role) -> &KeyFile {
        &self.keys.iter().find(|(other, ..)| *other == role).unwrap().1
    }

    fn id(&self, role: Role) -> [u8; 16] {
        self.keys.iter().find(|(other, ..)| *other == role).unwrap().2
    }

    fn who(&self, role: Role) -> (Unopened, Result<Who, VaultError>) {
        let unopened = self.unopened();
        let who = unopened.who(&Password::new(self.key(role).show("a key").as_bytes().to_vec()));
        (unopened, who)
    }

    fn janitor(&self) -> Vault<Janitor> {
        let (unopened, Ok(Who::Janitor(keys))) = self.who(Role::Janitor) else { panic!("a janitor") };
        unopened.open_as(keys, None).unwrap()
    }

    fn reader(&self) -> Vault<Reader> {
        let (unopened, Ok(Who::Reader(keys))) = self.who(Role::Reader) else { panic!("a reader") };
        unopened.open_as(keys, None).unwrap()
    }

    fn depositor(&self) -> Depositing {
        let (unopened, Ok(Who::Depositor(keys))) = self.who(Role::Depositor) else { panic!("a depositor") };
        unopened.deposit_as(keys).unwrap()
    }

    fn owner(&self) -> Vault {
        self.bench.open("first").unwrap()
    }

    fn deposit(&self, native_id: &str) {
        let mut vault = self.depositor();
        let row = deposit_row(&vault, native_id);
        vault.deposit(&[row], NOW).unwrap();
        vault.close().unwrap();
    }
}

fn deposit_row(vault: &Depositing, native_id: &str) -> Vec<u8> {
    let sealer = vault.sealer(NOW);
    let mut thread = sealer.thread();
    let mut open = thread.begin().unwrap();
    let piece = thread.piece(&mut open, b"a picture").unwrap();
    let mut conversation = conversation(native_id, "deposited words");
    conversation.attachments.push(crate::conversation::Attachment { objects: Some((0, 1)), ..Default::default() });
    let original = format!("original of {native_id}").into_bytes();
    let originals = [(original.as_slice(), crate::crypto::hash::sha256(&[&original]))];
    let origin = Origin {
        conversation: [7; 16],
        source: "chatgpt",
        tags: Vec::<TagId>::new(),
        unknown: 0,
        imported: None,
        month: 0,
    };
    thread.finish_deposit(&open, &conversation, &originals, origin, &[piece]).unwrap()
}

#[test]
fn a_key_file_opens_as_its_own_role_and_no_other() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    for (role, ..) in &office.keys {
        let (_, who) = office.who(*role);
        assert_eq!(who.unwrap().role(), *role);
        let refused = office.unopened().unlock(&Password::new(office.key(*role).show("").as_bytes().to_vec()), None);
        assert!(matches!(refused, Err(VaultError::NotAllowed(found)) if found == *role));
    }
    let other = Password::new(KeyFile::generate().show("another's").as_bytes().to_vec());
    assert!(matches!(office.unopened().who(&other), Err(VaultError::WrongKeyFile)));
}

#[test]
fn a_reader_reads_everything_and_its_word_changes_nothing_that_lives() {
    let office = Office::new(|bench| AnchorPlace::File(bench.anchor.clone()));
    let mut vault = office.reader();
    let entries = vault.listing().unwrap().entries;
    assert_eq!(entries.len(), 2);
    assert!(!vault.body(&entries[0]).unwrap().conversation.messages.is_empty());
    let root = vault.state.live_root;
    vault.append_log(&log::Action::counted("list", Vec::new()), NOW, |_| Ok(())).unwrap();
    // What a reader's program might try: its own say in what lives.
    let mut forged = vault.state.clone();
    forged.live_root = [9; 32];
    let identity = vault.keys.identity();
    let bytes = forged.sign(identity.credential, Role::Reader, &identity.own.signer);
    let (read, _) = head::StateHead::decode(&bytes).unwrap();
    assert_eq!(read.live_root, root, "the root stays the one an owner signed");
    let bytes = forged.sign(identity.credential, Role::Owner, &identity.own.signer);
    vault.close().unwrap();
    edit(&office.bench, |t| {
        t.delete(Table::StateHead, 0..100).unwrap();
        t.insert(Table::StateHead, 90, &bytes).unwrap();
    });
    let refused = Unopened::open(Lock::take(&office.bench.path).unwrap()).err().unwrap();
    assert_eq!(refused.to_string(), "the vault file is damaged: state head");
}

#[test]
fn a_janitor_knows_the_facts_and_obtains_no_read_share() {
    let office = Office::new(|bench| AnchorPlace::File(bench.anchor.clone()));
    let vault = office.janitor();
    let (items, damaged) = vault.policy_items().unwrap();
    assert_eq!((items.len(), damaged.len()), (2, 0));
    // Every key it has, tried on every wrapped share there is, in every place a key could be used.
    let facts = vault.keys.facts();
    let as_read = crate::crypto::ReadKey::from_slice(facts.key.expose()).unwrap();
    let envelope = || vault.keys.identity().own.envelope.copy();
    for (leaf, share) in vault.store.all(Table::ReadShare).unwrap() {
        let row = vault.store.get(Table::Segment, leaf).unwrap().unwrap();
        let segment = segment::SegmentRow::decode(&row).unwrap().segment;
        let keys = access::ReadKeys {
            vault: vault.id(),
            epoch: facts.epoch,
            key: crate::crypto::ReadKey::from_slice(as_read.expose()).unwrap(),
            secret: envelope(),
        };
        assert!(unwrap_read_share(&keys, segment, &share).is_err());
        let opener = Opener::at(&vault.store, facts, &mut vault.frontier.walker(), leaf).unwrap();
        assert!(opener.content(&keys, &share).is_err());
    }
    // Nor a title, nor the name of a tag, nor an owner's reasons, nor the log.
    for (_, row) in vault.store.all(Table::Log).unwrap() {
        assert!(log::open(&row, &vault.id(), &envelope()).is_none());
    }
    assert!(
        tags::names(
            &vault.store,
            &access::ReadKeys { vault: vault.id(), epoch: facts.epoch, key: as_read, secret: envelope() },
            &vault.static_head.owner
        )
        .is_err()
    );
    vault.close().unwrap();
}

#[test]
fn a_depositor_decrypts_nothing_not_even_its_own_deposit() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    office.deposit("d");
    let (unopened, Ok(Who::Depositor(keys))) = office.who(Role::Depositor) else { panic!("a depositor") };
    let identity = keys.identity();
    let (_, inbox) = unopened.store.all(Table::Inbox).unwrap().remove(0);
    let mut reader = crate::bytes::Reader::new(&inbox[1 + 16 + 8 + 16..]);
    let sealed: Vec<&[u8]> = (0..3).map(|_| reader.var().unwrap()).collect();
    let infos = ["convault/1/deposit-read", "convault/1/deposit-erase", "convault/1/deposit-facts"];
    let opens = |secret: &crate::crypto::EnvelopeSecret| {
        let opens = |(sealed, info): (&&[u8], &&str)| secret.open(info, &identity.vault, sealed).is_ok();
        sealed.iter().zip(&infos).map(opens).collect::<Vec<bool>>()
    };
    assert_eq!(opens(&identity.own.envelope), [false; 3]);
    for (_, row) in unopened.store.all(Table::Log).unwrap() {
        assert!(log::open(&row, &identity.vault, &identity.own.envelope).is_none());
    }
    // Its bundle has no key in it.
    let own = unopened.static_head.credential(&office.id(Role::Depositor)).unwrap();
    let plain = identity.own.envelope.open("convault/1/bundle", &identity.vault, &own.bundle).unwrap();
    assert!(plain.windows(3).all(|w| w[1..] != [0, 32] || !(1..=6).contains(&w[0])), "no field of 32 bytes");
    drop(unopened);
    // The same bytes open for who holds the keys.
    let owner = office.owner();
    assert_eq!(opens(&owner.keys.read.secret), [true, false, false]);
    assert_eq!(opens(&owner.deposit_secret), [false, true, true]);
    owner.close().unwrap();
}

#[test]
fn a_deposit_waits_is_folded_in_by_a_janitor_and_read_by_a_reader() {
    for is_file in [false, true] {
        let office =
            Office::new(|bench| if is_file { AnchorPlace::File(bench.anchor.clone()) } else { AnchorPlace::Embedded });
        office.deposit("d");
        office.deposit("e");
        let reader = office.reader();
        assert_eq!(reader.counts().unwrap().deposits, 2);
        assert_eq!(reader.listing().unwrap().entries.len(), 2, "what waits is not there yet");
        reader.close().unwrap();
        let mut janitor = office.janitor();
        let folded = janitor.fold_deposits(NOW).unwrap();
        assert_eq!(folded, Folded { segments: 2, ..Folded::default() });
        assert_eq!(janitor.policy_items().unwrap().0.len(), 4);
        assert_eq!(janitor.state.inbox_digest, empty_inbox());
        janitor.close().unwrap();
        let reader = office.reader();
        let listing = reader.listing().unwrap();
        assert_eq!((listing.entries.len(), listing.damaged.len()), (4, 0));
        let entry = listing.entries.iter().find(|entry| entry.card.native_id == "d").unwrap();
        assert_eq!(reader.body(entry).unwrap().conversation.text, "deposited words\n");
        let mut bytes = Vec::new();
        reader
            .attachments(entry, &[(0, 1)], |_, piece| {
                bytes.extend_from_slice(piece.unwrap_or_default());
                Ok(())
            })
            .unwrap();
        assert_eq!(bytes, b"a picture");
        reader.close().unwrap();
        let owner = office.owner();
        assert_eq!(owner.check(|_| ()).unwrap().findings, []);
        owner.close().unwrap();
    }
}

#[test]
fn what_is_no_deposit_goes_aside_and_a_changed_inbox_is_told() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    let mut vault = office.depositor();
    let (good, other) = (deposit_row(&vault, "d"), deposit_row(&vault, "e"));
    vault.deposit(&[good.clone(), other.clone()], NOW).unwrap();
    vault.close().unwrap();
    let mut flipped = other.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    edit(&office.bench, |t| {
        t.delete(Table::Inbox, 2..3).unwrap();
        t.insert(Table::Inbox, 2, &flipped).unwrap();
        // The same once more, one cut short, and what is nothing at all.
        t.insert(Table::Inbox, 3, &good).unwrap();
        t.insert(Table::Inbox, 4, &other[..other.len() - 1]).unwrap();
        t.insert(Table::Inbox, 5, b"").unwrap();
    });
    let mut janitor = office.janitor();
    let folded = janitor.fold_deposits(NOW).unwrap();
    assert_eq!(folded, Folded { segments: 1, quarantined: 4, is_tampered: true });
    assert_eq!(janitor.fold_deposits(NOW).unwrap(), Folded::default());
    janitor.close().unwrap();
    let mut owner = office.owner();
    assert_eq!(owner.listing().unwrap().entries.len(), 3);
    assert_eq!(owner.drop_quarantined(NOW).unwrap(), 4);
    assert_eq!(owner.counts().unwrap().deposits, 0);
    owner.close().unwrap();
}

#[test]
fn a_deposit_to_keys_of_before_is_refused_and_a_rotation_loses_none() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    let vault = office.depositor();
    let late = deposit_row(&vault, "late");
    vault.close().unwrap();
    office.deposit("d");
    let mut owner = office.owner();
    owner.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    assert_eq!(owner.listing().unwrap().entries.len(), 3, "folded in before the keys went");
    owner.close().unwrap();
    let mut vault = office.depositor();
    vault.deposit(&[late], NOW).unwrap();
    vault.close().unwrap();
    let mut janitor = office.janitor();
    assert_eq!(janitor.fold_deposits(NOW).unwrap().quarantined, 1);
    janitor.close().unwrap();
}

#[test]
fn a_revoked_credential_opens_nothing_and_the_others_go_on() {
    let office = Office::new(|bench| AnchorPlace::File(bench.anchor.clone()));
    office.deposit("d");
    let mut owner = office.owner();
    let done = owner.revoke(&office.id(Role::Reader), NOW).unwrap();
    assert_eq!((done.segments, done.credentials), (3, 4), "the owner and three others have new keys");
    assert!(matches!(owner.revoke(&office.id(Role::Reader), NOW), Err(VaultError::Refused(_))));
    let own = owner.credential_id();
    assert!(matches!(owner.revoke(&own, NOW), Err(VaultError::Refused(_))));
    owner.close().unwrap();
    assert!(matches!(office.who(Role::Reader).1, Err(VaultError::WrongKeyFile)));
    let janitor = office.janitor();
    assert_eq!(janitor.policy_items().unwrap().0.len(), 3);
    janitor.close().unwrap();
    office.deposit("e");
    let owner = office.owner();
    assert_eq!(owner.check(|_| ()).unwrap().findings, []);
    owner.close().unwrap();
}

#[test]
fn a_janitors_word_on_what_lives_is_believed_only_where_it_shows_how_it_came_to_it() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    let mut vault = office.janitor();
    // A segment put back to what it never was: a live leaf in the place of a live leaf.
    let leaf = vault.live_leaves().unwrap()[0];
    let changes = std::collections::BTreeMap::from([(leaf, [9; 32])]);
    let mut transaction = vault.store.begin().unwrap();
    let (mut state, row) = (vault.state.clone(), vault.state_row);
    let actor = commit::Actor::of(&vault.keys, &vault.static_head);
    let action = log::Action::counted("purge", Vec::new());
    commit::write_state(&mut transaction, &mut state, row, &changes, &action, &actor, NOW).unwrap();
    transaction.commit().unwrap();
    vault.close().unwrap();
    let refused = Unopened::open(Lock::take(&office.bench.path).unwrap()).err().unwrap();
    assert_eq!(refused.to_string(), "the vault file is damaged: state head");
}

#[test]
fn facts_that_a_janitor_signed_are_none() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    office.deposit("d");
    let mut vault = office.janitor();
    vault.fold_deposits(NOW).unwrap();
    let leaf = *vault.live_leaves().unwrap().last().unwrap();
    let (record, row, _) =
        items::facts_at(&vault.store, vault.keys.facts(), &mut vault.frontier.walker(), leaf).unwrap();
    let check = |record: &_| standing::check_signer(&vault.state, &vault.static_head, leaf, &row, record);
    check(&record).unwrap();
    let mut facts = record.facts.clone();
    facts.last_activity = Instant(0);
    let forged = vault.keys.identity().sign_facts(facts, 1, &row);
    assert_eq!(check(&forged).unwrap_err().to_string(), "the vault file is damaged: facts signature");
    // Nor other content under the depositor's own facts.
    let other = vault.store.get(Table::Segment, 0).unwrap().unwrap();
    let other = segment::SegmentRow::decode(&other).unwrap();
    assert!(standing::check_signer(&vault.state, &vault.static_head, leaf, &other, &record).is_err());
    vault.close().unwrap();
}

/// What a program of a janitor's own could do: a segment that nobody deposited, signed by the janitor.
#[test]
fn what_a_janitor_planted_is_refused_before_an_owner_signs_anything() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    let mut vault = office.janitor();
    let leaf = vault.state.next_leaf;
    let erase = vault.frontier.erase_share(leaf).unwrap();
    let row = vault.store.get(Table::Segment, 0).unwrap().unwrap();
    let planted = [&[5; 16][..], &erase.commitment(), &row[48..]].concat();
    let row = segment::SegmentRow::decode(&planted).unwrap();
    let opener = Opener::at(&vault.store, vault.keys.facts(), &mut vault.frontier.walker(), 0).unwrap();
    let (version, facts) = items::facts_rows(&vault.store, 0).unwrap().pop().unwrap();
    let facts = opener.facts(version, &facts).unwrap().facts;
    let facts = crate::facts::Facts { conversation: [6; 16], ..facts };
    let record = vault.keys.identity().sign_facts(facts, 1, &row);
    let key = crate::crypto::SegmentFactsKey::derive(&erase, &vault.keys.facts().key, &vault.id(), &row.segment);
    let sealed = segment::seal_facts(&record, &key, vault.keys.facts(), row.segment);
    let mut state = vault.state.clone();
    state.next_leaf += 1;
    let changes = std::collections::BTreeMap::from([(leaf, row.leaf(&record.hash()))]);
    let mut transaction = vault.store.begin().unwrap();
    transaction.insert(Table::Segment, leaf, &planted).unwrap();
    transaction.insert(Table::Facts, segment::facts_row(leaf, 1), &sealed).unwrap();
    let actor = commit::Actor::of(&vault.keys, &vault.static_head);
    let action = log::Action::counted("fold", Vec::new());
    commit::write_state(&mut transaction, &mut state, vault.state_row, &changes, &action, &actor, NOW).unwrap();
    transaction.commit().unwrap();
    vault.close().unwrap();
    // The structure holds, and the keys tell.
    let refused = office.unopened().unlock(&password("first"), None).err().unwrap();
    assert_eq!(refused.to_string(), format!("the vault file is damaged: facts signature of segment {leaf}"));
}

/// An owner's root from before, under a log of today: a hold that was placed since would be gone.
#[test]
fn an_older_root_under_todays_log_is_refused() {
    let office = Office::new(|bench| AnchorPlace::File(bench.anchor.clone()));
    let mut vault = office.owner();
    let (old_head, old_state) = (vault.store.all(Table::StaticHead).unwrap(), vault.state.clone());
    vault.set_holds(&[], NOW).unwrap();
    vault.close().unwrap();
    for role in [Role::Reader, Role::Janitor] {
        let (unopened, who) = office.who(role);
        let mut forged = StateHead { log: unopened.state.log.clone(), ..old_state.clone() };
        let (own, credential) = match who.unwrap() {
            Who::Reader(keys) => (keys.identity().own.signer.copy(), keys.identity().credential),
            Who::Janitor(keys) => (keys.identity().own.signer.copy(), keys.identity().credential),
            _ => panic!("a reader or a janitor"),
        };
        let bytes = forged.sign(credential, role, &own);
        drop(unopened);
        let whole = std::fs::read(&office.bench.path).unwrap();
        edit(&office.bench, |t| {
            for table in [Table::StaticHead, Table::StateHead] {
                t.delete(table, 0..1000).unwrap();
            }
            for (id, row) in &old_head {
                t.insert(Table::StaticHead, *id, row).unwrap();
            }
            t.delete(Table::Hold, 2..3).unwrap();
            t.insert(Table::StateHead, 500, &bytes).unwrap();
        });
        let refused = Unopened::open(Lock::take(&office.bench.path).unwrap()).err().unwrap();
        assert_eq!(refused.to_string(), "the vault file is damaged: state head", "{role:?}");
        std::fs::write(&office.bench.path, whole).unwrap();
    }
}

#[test]
fn a_deposit_that_nobody_can_open_stops_no_change_of_keys_and_is_told_from_the_others() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    office.deposit("good");
    let mut vault = office.depositor();
    // Whole and signed, and sealed to somebody else than the readers.
    vault.public_to(crate::crypto::EnvelopeSecret::generate().public());
    let row = deposit_row(&vault, "spoiled");
    vault.deposit(&[row], NOW).unwrap();
    vault.close().unwrap();
    let mut owner = office.owner();
    assert_eq!(owner.fold_deposits(NOW).unwrap(), Folded { segments: 2, ..Folded::default() });
    let spoiled = owner.spoiled_deposits().unwrap();
    assert_eq!(spoiled.len(), 1);
    owner.revoke(&office.id(Role::Depositor), NOW).unwrap();
    owner.change_password(&password("second"), KdfCost::FLOOR, NOW).unwrap();
    assert_eq!(owner.spoiled_deposits().unwrap(), spoiled);
    assert_eq!(owner.listing().unwrap().entries.len(), 3);
    owner.close().unwrap();
}

#[test]
fn what_an_auditor_kept_opens_nothing_that_came_after_it_was_revoked() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    let kept = {
        let (_, Ok(Who::Auditor(keys))) = office.who(Role::Auditor) else { panic!("an auditor") };
        keys.auditor.copy()
    };
    let mut owner = office.owner();
    let before = owner.log().size();
    owner.revoke(&office.id(Role::Auditor), NOW).unwrap();
    owner.log_reading(Reading::Search { query: "a query", conversations: 0 }, NOW).unwrap();
    let entries = owner.log().entries().unwrap();
    assert_eq!(entries.len() as u64, owner.log().size(), "an owner reads all of it, across the change of keys");
    assert!(entries.iter().all(|entry| entry.is_signed));
    let opens = |index: u64| {
        let row = owner.store.get(Table::Log, index + 1).unwrap().unwrap();
        log::open(&row, &owner.id(), &kept).is_some()
    };
    assert!((0..before).all(opens) && !(before..owner.log().size()).any(opens));
    owner.close().unwrap();
}

#[test]
fn where_the_anchor_is_kept_is_said_by_who_may_rotate_it() {
    let office = Office::new(|bench| AnchorPlace::File(bench.anchor.clone()));
    let reader = office.reader();
    let planted = replicas::Files { used: office.bench.anchor.clone(), others: vec!["/planted".into()] };
    let (row, generation) = (planted.row(reader.keys.facts()), reader.generation());
    reader.close().unwrap();
    edit(&office.bench, |t| {
        t.delete(Table::Anchor, 0..100).unwrap();
        t.insert(Table::Anchor, generation, &row).unwrap();
    });
    let refused = Unopened::open(Lock::take(&office.bench.path).unwrap()).err().unwrap();
    assert_eq!(refused.to_string(), "the vault file is damaged: anchor");
}

#[test]
fn a_tag_goes_by_the_name_that_an_owner_gave_it() {
    let office = Office::new(|_| AnchorPlace::Embedded);
    let reader = office.reader();
    let names = reader.tag_names().unwrap();
    let (id, _) = names.into_iter().next().unwrap();
    let key = reader.keys.read().key.derive_tags(&reader.id());
    let plain = [&id[..], b"junk", &[0; 64]].concat();
    let place = crate::crypto::Place::of_vault(reader.id(), crate::crypto::Purpose::Tag);
    let row = key.seal(&place, &crate::crypto::padding::bucket(&plain));
    reader.close().unwrap();
    edit(&office.bench, |t| {
        t.delete(Table::Tag, 0..100).unwrap();
        t.insert(Table::Tag, 1, &row).unwrap();
    });
    let owner = office.owner();
    assert!(matches!(owner.tag_names(), Err(VaultError::Damaged(Damage::Record("tag")))));
    owner.close().unwrap();
}
