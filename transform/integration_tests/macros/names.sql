{# Macros of the host whose names the package uses too. The host's models get these, and none of the
   package's may. #}

{% macro as_of() -%}
    current_date
{%- endmacro %}

{% macro as_of_text() -%}
    {{ exceptions.raise_compiler_error("The host's as_of_text was called") }}
{%- endmacro %}

{% macro days_ago() -%}
    {{ exceptions.raise_compiler_error("The host's days_ago was called") }}
{%- endmacro %}

{% macro timestamp_utc() -%}
    {{ exceptions.raise_compiler_error("The host's timestamp_utc was called") }}
{%- endmacro %}

{% macro default__timestamp_utc() -%}
    {{ exceptions.raise_compiler_error("The host's default__timestamp_utc was called") }}
{%- endmacro %}

{% macro from_utc() -%}
    {{ exceptions.raise_compiler_error("The host's from_utc was called") }}
{%- endmacro %}

{% macro default__from_utc() -%}
    {{ exceptions.raise_compiler_error("The host's default__from_utc was called") }}
{%- endmacro %}

{% macro utc_date() -%}
    {{ exceptions.raise_compiler_error("The host's utc_date was called") }}
{%- endmacro %}

{% macro default__utc_date() -%}
    {{ exceptions.raise_compiler_error("The host's default__utc_date was called") }}
{%- endmacro %}

{% macro minutes_between() -%}
    {{ exceptions.raise_compiler_error("The host's minutes_between was called") }}
{%- endmacro %}

{% macro default__minutes_between() -%}
    {{ exceptions.raise_compiler_error("The host's default__minutes_between was called") }}
{%- endmacro %}

{% macro from_milliseconds() -%}
    {{ exceptions.raise_compiler_error("The host's from_milliseconds was called") }}
{%- endmacro %}

{% macro default__from_milliseconds() -%}
    {{ exceptions.raise_compiler_error("The host's default__from_milliseconds was called") }}
{%- endmacro %}

{% macro json_text() -%}
    {{ exceptions.raise_compiler_error("The host's json_text was called") }}
{%- endmacro %}

{% macro default__json_text() -%}
    {{ exceptions.raise_compiler_error("The host's default__json_text was called") }}
{%- endmacro %}

{% macro percentile() -%}
    {{ exceptions.raise_compiler_error("The host's percentile was called") }}
{%- endmacro %}

{% macro default__percentile() -%}
    {{ exceptions.raise_compiler_error("The host's default__percentile was called") }}
{%- endmacro %}

{% macro minutes_text() -%}
    {{ exceptions.raise_compiler_error("The host's minutes_text was called") }}
{%- endmacro %}

{% macro loaded() -%}
    {{ exceptions.raise_compiler_error("The host's loaded was called") }}
{%- endmacro %}

{% macro _loaded_column() -%}
    {{ exceptions.raise_compiler_error("The host's _loaded_column was called") }}
{%- endmacro %}

{% macro fits() -%}
    {{ exceptions.raise_compiler_error("The host's fits was called") }}
{%- endmacro %}

{% macro a_line_fits() -%}
    {{ exceptions.raise_compiler_error("The host's a_line_fits was called") }}
{%- endmacro %}

{% macro specificity() -%}
    {{ exceptions.raise_compiler_error("The host's specificity was called") }}
{%- endmacro %}

{% macro quarter_of() -%}
    {{ exceptions.raise_compiler_error("The host's quarter_of was called") }}
{%- endmacro %}

{% macro period_of_quarter() -%}
    {{ exceptions.raise_compiler_error("The host's period_of_quarter was called") }}
{%- endmacro %}

{% macro plausible() -%}
    {{ exceptions.raise_compiler_error("The host's plausible was called") }}
{%- endmacro %}

{% macro check_variables() -%}
    {{ exceptions.raise_compiler_error("The host's check_variables was called") }}
{%- endmacro %}

{% macro verdict_rank() -%}
    {{ exceptions.raise_compiler_error("The host's verdict_rank was called") }}
{%- endmacro %}

{% macro needs_action() -%}
    {{ exceptions.raise_compiler_error("The host's needs_action was called") }}
{%- endmacro %}

{% macro is_worse() -%}
    {{ exceptions.raise_compiler_error("The host's is_worse was called") }}
{%- endmacro %}

{% macro hash32() -%}
    {{ exceptions.raise_compiler_error("The host's hash32 was called") }}
{%- endmacro %}

{% macro default__hash32() -%}
    {{ exceptions.raise_compiler_error("The host's default__hash32 was called") }}
{%- endmacro %}

{% macro named() -%}
    {{ exceptions.raise_compiler_error("The host's named was called") }}
{%- endmacro %}

{% macro key_of() -%}
    {{ exceptions.raise_compiler_error("The host's key_of was called") }}
{%- endmacro %}

{% macro literal() -%}
    {{ exceptions.raise_compiler_error("The host's literal was called") }}
{%- endmacro %}

{% macro text_type() -%}
    {{ exceptions.raise_compiler_error("The host's text_type was called") }}
{%- endmacro %}

{% macro default__text_type() -%}
    {{ exceptions.raise_compiler_error("The host's default__text_type was called") }}
{%- endmacro %}

{% macro number_type() -%}
    {{ exceptions.raise_compiler_error("The host's number_type was called") }}
{%- endmacro %}

{% macro default__number_type() -%}
    {{ exceptions.raise_compiler_error("The host's default__number_type was called") }}
{%- endmacro %}

{% macro number_begin() -%}
    {{ exceptions.raise_compiler_error("The host's number_begin was called") }}
{%- endmacro %}

{% macro default__number_begin() -%}
    {{ exceptions.raise_compiler_error("The host's default__number_begin was called") }}
{%- endmacro %}

{% macro number_end() -%}
    {{ exceptions.raise_compiler_error("The host's number_end was called") }}
{%- endmacro %}

{% macro default__number_end() -%}
    {{ exceptions.raise_compiler_error("The host's default__number_end was called") }}
{%- endmacro %}

{% macro json_type() -%}
    {{ exceptions.raise_compiler_error("The host's json_type was called") }}
{%- endmacro %}

{% macro default__json_type() -%}
    {{ exceptions.raise_compiler_error("The host's default__json_type was called") }}
{%- endmacro %}

{% macro type_of() -%}
    {{ exceptions.raise_compiler_error("The host's type_of was called") }}
{%- endmacro %}

{% macro default__type_of() -%}
    {{ exceptions.raise_compiler_error("The host's default__type_of was called") }}
{%- endmacro %}

{% macro is_naive() -%}
    {{ exceptions.raise_compiler_error("The host's is_naive was called") }}
{%- endmacro %}

{% macro default__is_naive() -%}
    {{ exceptions.raise_compiler_error("The host's default__is_naive was called") }}
{%- endmacro %}

{% macro clock_utc() -%}
    {{ exceptions.raise_compiler_error("The host's clock_utc was called") }}
{%- endmacro %}

{% macro default__clock_utc() -%}
    {{ exceptions.raise_compiler_error("The host's default__clock_utc was called") }}
{%- endmacro %}

{% macro from_date() -%}
    {{ exceptions.raise_compiler_error("The host's from_date was called") }}
{%- endmacro %}

{% macro default__from_date() -%}
    {{ exceptions.raise_compiler_error("The host's default__from_date was called") }}
{%- endmacro %}

{% macro later() -%}
    {{ exceptions.raise_compiler_error("The host's later was called") }}
{%- endmacro %}

{% macro default__later() -%}
    {{ exceptions.raise_compiler_error("The host's default__later was called") }}
{%- endmacro %}

{% macro weekday() -%}
    {{ exceptions.raise_compiler_error("The host's weekday was called") }}
{%- endmacro %}

{% macro default__weekday() -%}
    {{ exceptions.raise_compiler_error("The host's default__weekday was called") }}
{%- endmacro %}

{% macro least_of() -%}
    {{ exceptions.raise_compiler_error("The host's least_of was called") }}
{%- endmacro %}

{% macro default__least_of() -%}
    {{ exceptions.raise_compiler_error("The host's default__least_of was called") }}
{%- endmacro %}

{% macro greatest_of() -%}
    {{ exceptions.raise_compiler_error("The host's greatest_of was called") }}
{%- endmacro %}

{% macro default__greatest_of() -%}
    {{ exceptions.raise_compiler_error("The host's default__greatest_of was called") }}
{%- endmacro %}

{% macro json_column() -%}
    {{ exceptions.raise_compiler_error("The host's json_column was called") }}
{%- endmacro %}

{% macro default__json_column() -%}
    {{ exceptions.raise_compiler_error("The host's default__json_column was called") }}
{%- endmacro %}

{% macro lines_of() -%}
    {{ exceptions.raise_compiler_error("The host's lines_of was called") }}
{%- endmacro %}

{% macro default__lines_of() -%}
    {{ exceptions.raise_compiler_error("The host's default__lines_of was called") }}
{%- endmacro %}

{% macro lines_of_json() -%}
    {{ exceptions.raise_compiler_error("The host's lines_of_json was called") }}
{%- endmacro %}

{% macro is_number() -%}
    {{ exceptions.raise_compiler_error("The host's is_number was called") }}
{%- endmacro %}

{% macro default__is_number() -%}
    {{ exceptions.raise_compiler_error("The host's default__is_number was called") }}
{%- endmacro %}

{% macro matches() -%}
    {{ exceptions.raise_compiler_error("The host's matches was called") }}
{%- endmacro %}

{% macro default__matches() -%}
    {{ exceptions.raise_compiler_error("The host's default__matches was called") }}
{%- endmacro %}

{% macro as_text() -%}
    {{ exceptions.raise_compiler_error("The host's as_text was called") }}
{%- endmacro %}

{% macro numbers_below() -%}
    {{ exceptions.raise_compiler_error("The host's numbers_below was called") }}
{%- endmacro %}
