"""The programs an agent starts in a container: command executor and Spark executor backend.

`minimesos` never imports this package: agents and backends know it as the command line
`python -P -m minimesos_executor <kind>`.
"""
