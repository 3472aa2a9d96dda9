"""What an evidence pack has that no mart has, as it depends on the pack's period."""

from __future__ import annotations

DURATIONS = """\
    with measured as (
        select
            database_type,
            duration_minutes,
            target_minutes,
            within_target
        from restore_attempts
        where
            outcome = 'succeeded'
            and duration_minutes is not null
            and source_addon_key is not null
            and counted_at >= {start}
            and counted_at < {end}
            and counted_at <= (select as_of from refresh_info)
    ),

    counted as (
        select 'type/' || database_type as durations_key, measured.* from measured
        union all
        select 'all' as durations_key, measured.* from measured
    ),

    ranked as (
        select
            *,
            row_number() over (partition by durations_key order by duration_minutes) as nth,
            count(*) over (partition by durations_key) as of_all
        from counted
    )

    select
        durations_key,
        case when durations_key <> 'all' then max(database_type) end as database_type,
        count(*) as restores,
        min(case when nth >= 0.5 * of_all then duration_minutes end) as p50_minutes,
        min(case when nth >= 0.95 * of_all then duration_minutes end) as p95_minutes,
        max(duration_minutes) as longest_minutes,
        count(case when within_target then 1 end) as within_target,
        min(target_minutes) as shortest_target_minutes,
        max(target_minutes) as longest_target_minutes
    from ranked
    group by durations_key
"""
"""How long the restores of the period took. A percentile is the time of a restore and is not made
up between two, so each engine gives the same."""

AT_THE_END = """\
    with moment as (
        select
            case when as_of < {end} then as_of else {end} end as ends_at,
            case when as_of < {end} then cast(as_of as date) else {last} end as last_day
        from refresh_info
    ),

    addons as (
        select
            addon_key,
            database_type,
            known_since,
            is_drill_addon,
            ends_at,
            last_day
        from addon_recoverability
        cross join moment
        where
            coalesce(known_since < ends_at, true)
            and (is_current or coalesce(last_seen_at >= {start}, true))
    ),

    attempts as (
        select
            source_addon_key as addon_key,
            restore_key,
            backup_id,
            outcome,
            is_proof,
            counted_at
        from restore_attempts
        where
            source_addon_key is not null
            and counted_at < {end}
            and counted_at <= (select as_of from refresh_info)
    ),

    proofs as (
        select
            *,
            row_number() over (
                partition by addon_key order by counted_at desc, restore_key collate "C" desc
            ) as nth_last,
            lag(counted_at) over (
                partition by addon_key order by counted_at, restore_key collate "C"
            ) as one_before
        from attempts
        where is_proof
    ),

    -- Between two proofs, before the first and behind the last.
    gaps as (
        select
            proofs.addon_key,
            coalesce(proofs.one_before, addons.known_since) as begins_at,
            proofs.counted_at as ends_at
        from proofs
        inner join addons on proofs.addon_key = addons.addon_key
        where proofs.counted_at >= {start}
        union all
        select
            addons.addon_key,
            coalesce(proofs.counted_at, addons.known_since) as begins_at,
            addons.ends_at
        from addons
        left join proofs on addons.addon_key = proofs.addon_key and proofs.nth_last = 1
    ),

    longest as (
        select
            addon_key,
            max(cast(ends_at as date) - cast(begins_at as date)) as days
        from gaps
        where begins_at < ends_at
        group by addon_key
    ),

    counts as (
        select
            addon_key,
            count(case when is_proof then 1 end) as proofs,
            count(case when outcome = 'succeeded' then 1 end) as successes,
            count(case when outcome = 'failed' then 1 end) as failures
        from attempts
        where counted_at >= {start}
        group by addon_key
    )

    select
        addons.addon_key,
        addons.database_type,
        rules.rule,
        rules.owner,
        coalesce(rules.in_scope, not addons.is_drill_addon) as in_scope,
        coalesce(rules.waiver_until >= addons.last_day, false) as is_waived,
        rules.drill_interval_days,
        rules.rto_minutes as target_minutes,
        proofs.counted_at as last_proof_at,
        proofs.restore_key as last_proof_restore_key,
        proofs.backup_id as last_proof_backup_id,
        cast(addons.ends_at as date) - cast(proofs.counted_at as date) as days_since_proof,
        coalesce(
            extract(epoch from (addons.ends_at - proofs.counted_at))
            > rules.drill_interval_days * 86400,
            true
        ) as is_overdue,
        longest.days as longest_days_without_proof,
        coalesce(counts.proofs, 0) as proofs,
        coalesce(counts.successes, 0) as successes,
        coalesce(counts.failures, 0) as failures
    from addons
    left join proofs on addons.addon_key = proofs.addon_key and proofs.nth_last = 1
    left join longest on addons.addon_key = longest.addon_key
    left join counts on addons.addon_key = counts.addon_key
    left join restore_policy_periods as rules
        on
            addons.addon_key = rules.addon_key
            and coalesce(rules.valid_from <= addons.last_day, true)
            and coalesce(rules.valid_before > addons.last_day, true)
"""
"""The state of each database when the period ended, or now if it has not: what the rules of its
last day asked, and what was proven until then."""

JUDGED_AT_THE_END = f"""\
    select addon_key, is_overdue, longest_days_without_proof
    from ({AT_THE_END}) as found
    where in_scope and not is_waived
    order by addon_key collate "C"
"""  # noqa: S608 - of our own

BASES = """\
    select source_basis, count(*)
    from restore_attempts
    where
        is_proof
        and source_addon_key is not null
        and counted_at >= {start}
        and counted_at < {end}
        and counted_at <= (select as_of from refresh_info)
    group by source_basis
    order by source_basis collate "C"
"""
"""How the sources of the period's proofs are known."""

TAPS = "select distinct tap_version from completeness where tap_version is not null order by 1"
"""Which versions of the tap read the account."""
