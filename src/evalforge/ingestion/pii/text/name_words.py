"""Capitalised words that models take for names of people, and the small words inside of names."""

from evalforge.ingestion.pii.words import words

PARTICLES = words("al bin da das de del della der di do dos du el ibn la le ten ter van von y zu")

NO_NAMES = words(
    """
    abort action adapter admin agent all alpha analytics apache api app append application april argument array
    assistant august auth authentication azure backend badge beta blob block boolean branch bug build builder bus
    button cache calling caution character chat check checkpoint class claude cli client cloud cluster code coding
    colleague colleagues column command commit complete completion config configuration console container context
    controller convert copy count coverage create customer daily dashboard data database dataset date day dear debug
    december default delay delete demo deploy deployment description design desktop detected developer dialog dict
    digest directory django docker document documentation documents download downloads edge editor element email
    endpoint engine enter entity environment error errors event everyone example exception export extension failed
    failure false fatal feature february field file files filter fix flask folder folks format found framework
    friday friend friends function gateway gemini general gentlemen get git github gitlab global google gpt graph
    group guide handler header health help hiring history home host html http image import index info initialize
    input insert install instance instructions interface internal internet interrupt introduction invalid issue
    january java javascript job json july june kafka kernel key keyboard kubernetes label ladies lambda language
    launch layer learning level library license line link linux list llama load local log logger logging login logs
    loop machine madam mail main manager march markdown markup meaning memory menu merge message metadata method
    metrics microsoft miss mister mistral mode model module monday mongo monitor mypy name namespace native network
    new node note notes notice november number object october online open openai operation operator option options
    order output package page parameter parse parser password path pattern payment performance phone pipeline
    platform plugin policy port post postgres prefix premium print private process processor product production
    profile program project prompt properties property protocol provider proxy public pull push pypi pytest python
    query queue quick raise rate read reader record redirect redis reference region register release remote remove
    render report repository request requests required reset resource response rest result results retry return
    returns review rich role root route router row rule run runtime rust safety sample saturday save schema scope
    script sdk search section security select sender september server service session set settings setup shell show
    sir sirs site slack software sort source space span spark sql stack stage standard start state status step stop
    storage store stream string studio style subject submit suite summary sunday support switch sync syntax system
    tab table tag task team tensor terminal terraform test tests text thank thanks theme there thread thursday
    ticket time timeout title token tool tools topic total trace tracer tracing transaction transform true tuesday
    tutorial twitter type types ubuntu unable undefined unicode union unix unknown update upgrade upload url usage
    user users utils valid value valued values variable vector verify version video view virtual visual warning web
    webhook wednesday welcome widget windows workflow workspace world write writer xml yaml you
    """
)
"""No part of a believed name, whatever their capitals: words of interfaces, logs and documents, days and months. First
names among such words (April, June) are not found; what a field of the span names is found all the same."""
