-- Closing a record writes what each side may see of it, in the same statement.
CREATE TRIGGER call_closed AFTER UPDATE OF ended_at ON calls
WHEN old.ended_at IS NULL AND new.ended_at IS NOT NULL
BEGIN
    INSERT INTO history (user_id, placed_at, call_id, direction, peer_number, peer_id, via, media,
                         cause, accepted_at, ended_at)
    SELECT new.caller_id, new.placed_at, new.id, 'out', new.called, new.callee_id, new.via,
           new.media, new.cause, new.accepted_at, new.ended_at
    WHERE new.caller_id IS NOT NULL;

    INSERT INTO history (user_id, placed_at, call_id, direction, peer_number, peer_id, peer_name,
                         via, media, cause, accepted_at, ended_at)
    SELECT new.callee_id, new.placed_at, new.id, 'in',
           COALESCE((SELECT number FROM users WHERE id = new.caller_id), new.caller_number, ''),
           new.caller_id, new.caller_name, new.via, new.media, new.cause, new.accepted_at,
           new.ended_at
    WHERE new.callee_id IS NOT NULL;
END;
