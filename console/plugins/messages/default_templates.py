"""The templates that hold until an org writes its own: polite, short, and complete without their HTML."""

from console.core.states import MessageType
from console.plugins.messages.templating import Words

GREETING = "Hello{% if recipient_name %} {{ recipient_name }}{% endif %},"
WHERE = "{% if venue %} at {{ venue }}{% endif %}"
SUBJECT_END = "{{ event_name }}, {{ event_date }}"

DEFAULTS = {
    MessageType.INIT: Words(
        subject=f"When is the load-in? {SUBJECT_END}",
        text=f"""{GREETING}

{{{{ event_name }}}} begins on {{{{ event_date }}}} at {{{{ event_time }}}}{WHERE}.
We don't know yet when you would like to load in.

Please tell us the day and the time, and we will have the house ready for you.

With kind regards
{{{{ org_name }}}}
""",
        html=f"""<p>{GREETING}</p>
<p><b>{{{{ event_name }}}}</b> begins on {{{{ event_date }}}} at {{{{ event_time }}}}{WHERE}.<br>
We don't know yet when you would like to load in.</p>
<p>Please tell us <b>the day and the time</b>, and we will have the house ready for you.</p>
<p>With kind regards<br>
{{{{ org_name }}}}</p>
""",
    ),
    MessageType.REMINDER: Words(
        subject=f"Reminder: {SUBJECT_END} at {{{{ event_time }}}}",
        text=f"""{GREETING}

a short reminder of {{{{ event_name }}}}:

Begins: {{{{ event_date }}}}, {{{{ event_time }}}} ({{{{ timezone }}}})
{{% if venue %}}
Where: {{{{ venue }}}}
{{% endif %}}
{{% if load_in_known %}}
Load-in: {{{{ load_in_date }}}}, {{{{ load_in_time }}}}
{{% else %}}
Load-in: {{{{ load_in_time }}}}
{{% endif %}}
{{% if contact_name %}}
Contact: {{{{ contact_name }}}}
{{% endif %}}

With kind regards
{{{{ org_name }}}}
""",
        html=f"""<p>{GREETING}</p>
<p>a short reminder of <b>{{{{ event_name }}}}</b>:</p>
<ul>
<li>Begins: {{{{ event_date }}}}, {{{{ event_time }}}} ({{{{ timezone }}}})</li>
{{% if venue %}}
<li>Where: {{{{ venue }}}}</li>
{{% endif %}}
<li>Load-in: {{% if load_in_known %}}{{{{ load_in_date }}}}, {{% endif %}}{{{{ load_in_time }}}}</li>
{{% if contact_name %}}
<li>Contact: {{{{ contact_name }}}}</li>
{{% endif %}}
</ul>
<p>With kind regards<br>
{{{{ org_name }}}}</p>
""",
    ),
    MessageType.FOLLOW_UP: Words(
        subject=f"Thank you: {SUBJECT_END}",
        text=f"""{GREETING}

thank you for {{{{ event_name }}}} on {{{{ event_date }}}}{WHERE}.

Was everything as it should be? If something was missing, broken or left behind, please tell us.

With kind regards
{{{{ org_name }}}}
""",
        html=f"""<p>{GREETING}</p>
<p>thank you for <b>{{{{ event_name }}}}</b> on {{{{ event_date }}}}{WHERE}.</p>
<p>Was everything as it should be? If something was missing, broken or left behind, please tell us.</p>
<p>With kind regards<br>
{{{{ org_name }}}}</p>
""",
    ),
}
