-- Makes the databases, and the schema of the marts. In a schema with managed access
-- only its owner, the setup role, decides who may read; dbt makes tables in it, but
-- cannot hand them on.
-- Safe to run again: what exists is left as it is.

create database if not exists {{ raw_database }}
comment = 'Data as it was delivered, before any model touches it';

create database if not exists {{ database }}
comment = 'Models of dbt: marts, and the layers below them';

create schema if not exists {{ database }}.{{ marts_schema }} with managed access
comment = 'Marts: tables that people and reports read';
